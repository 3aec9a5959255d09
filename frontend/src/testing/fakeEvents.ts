import type { Schemas } from "../api/http.js";
import type { FakeSession } from "./fakeSessions.js";
import { randomUuid } from "./random.js";
import type { Refusal, RefusalCode } from "./refusals.js";

/** The sentences about events, for the visitor. */
const MEANINGS = {
  "consent.granted": "{who} gave your consent to a purpose.",
  "consent.withdrawn": "{who} refused a purpose or withdrew your consent.",
  "ratelimit.exceeded": "There were too many requests in a short time.",
  "session.completed": "{who} confirmed your e-mail address.",
  "session.created": "{who} started this session.",
  "session.exported": "{who} exported all data of this session.",
  "session.identified": "{who} changed your name or e-mail address.",
  "session.recovered": "{who} opened this session on another device.",
  "session.recovery_issued": "{who} issued a recovery code for this session.",
  "session.refused": "A request to this session was refused.",
  "session.token_rotated": "This session got a new token.",
  "upload.deleted": "{who} deleted {file}.",
  "upload.lapsed": "The upload of {file} was not completed.",
  "upload.quota_exceeded": "{file} was refused, because there was no room left.",
  "upload.rejected": "{file} was refused for its name, type or size.",
  "upload.started": "{who} started to upload {file}.",
  "upload.stored": "{who} uploaded {file}.",
} as const;

export type FakeEvent = keyof typeof MEANINGS;

/** The refusals that a visitor finds among the events of the session. */
const RECORDED: Partial<Record<RefusalCode, FakeEvent>> = {
  code_wrong: "session.refused",
  file_too_large: "upload.rejected",
  name_not_allowed: "upload.rejected",
  quota_exceeded: "upload.quota_exceeded",
  rate_limited: "ratelimit.exceeded",
  session_header_required: "session.refused",
  session_invalid: "session.refused",
  session_mismatch: "session.refused",
  type_not_allowed: "upload.rejected",
  uuid_malformed: "session.refused",
};

const MINUTE = 60_000;
const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** The events of sessions. */
export function createFakeEvents(now: () => number) {
  /** Until when a refusal of a session is only counted, by its code. */
  const silent = new WeakMap<FakeSession, Map<RefusalCode, number>>();

  function record(
    session: FakeSession,
    event: FakeEvent,
    file = "",
    who = "you",
    outcome: Schemas["Activity"]["outcome"] = "success",
  ): void {
    const meaning = MEANINGS[event]
      .replace("{who}", capital(who))
      .replace("{file}", () => file || "a file");
    session.events.push({
      event_id: randomUuid(),
      occurred_at: new Date(now()).toISOString(),
      event,
      meaning: file ? meaning : capital(meaning),
      outcome,
      who,
      file,
    });
  }

  /** Record a refusal, at most one of a kind in a minute; in an hour without the UUID's header. */
  function recordRefusal({ code, session, fileName }: Refusal): void {
    const event = RECORDED[code];
    if (!session || !event) return;
    const until = silent.get(session) ?? new Map<RefusalCode, number>();
    if ((until.get(code) ?? 0) > now()) return;
    const window = code === "session_header_required" ? 60 * MINUTE : MINUTE;
    silent.set(session, until.set(code, now() + window));
    record(session, event, fileName, "you", "denied");
  }

  return { record, recordRefusal };
}
