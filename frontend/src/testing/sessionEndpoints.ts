import type { Schemas } from "../api/http.js";
import { shownText } from "../utils/fileNames.js";
import { isSessionUUID } from "../utils/sessionUtils.js";
import {
  iso,
  retryKey,
  type ApiRequest,
  type FakeSession,
  type FakeSessions,
} from "./fakeSessions.js";
import { booleanOf, NO_BOOLEAN, readFields } from "./fields.js";
import { page } from "./pages.js";
import { randomDigits, randomHex, readTyped } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";
import { exported } from "./sessionExport.js";

const MINUTE = 60_000;
const CREDENTIALS = ["cookie", "bearer"] as const;
const REASONS = ["requested", "expired", "mismatch", "not_me"] as const;
const PURPOSES = ["contact", "improvement"];
const CODE_TRIES = 5;
/** Milliseconds between two codes. */
const SEND_INTERVAL = 30_000;

/** The endpoints under `sessions/`. Codes for e-mail addresses go to `emails`. */
export function createSessionEndpoints(
  state: FakeSessions,
  emails: { to: string; code: string }[],
) {
  const { now, sessions, record, issue, markUsed, expiry, lost, describe, describeCurrent } = state;
  const { withToken, tokenOf, find, isNewest, retireOlderTokens, begin, repeats, ended, prove } =
    state;

  function create(request: ApiRequest): Reply {
    const fields = readFields(request);
    const credential = fields.choice("credential", CREDENTIALS, "cookie");
    fields.done();
    const proven = find(request);
    if (proven?.status === "active") return { status: 200, body: describe(proven) };
    const session = issue();
    return withToken(201, describe(session), session, credential === "bearer");
  }

  function validate(request: ApiRequest): Reply {
    const fields = readFields(request);
    const uuid = fields.text("uuid", { most: 64, isExact: true });
    fields.done();
    if (!isSessionUUID(uuid)) throw new Refusal("uuid_malformed");
    const proven = find(request);
    const status = proven?.uuid === uuid ? proven.status : "well_formed";
    return { status: 200, body: { uuid, status } satisfies Schemas["Validated"] };
  }

  function recover(request: ApiRequest): Reply {
    const fields = readFields(request);
    const typed = readTyped(fields.text("code", { most: 40 }) ?? "");
    const credential = fields.choice("credential", CREDENTIALS, "cookie");
    fields.done();
    const key = retryKey(request);
    const isLive = ({ status, expiresAt }: FakeSession) => status === "active" && expiresAt > now();
    const session = sessions.find(
      (one) => isLive(one) && one.recovery !== null && readTyped(one.recovery) === typed,
    );
    const found = session ?? sessions.find((one) => isLive(one) && repeats(one, key, typed));
    if (!found) throw new Refusal("recovery_invalid");
    if (session) redeem(session, key, typed);
    return withToken(200, describeCurrent(found), found, credential === "bearer");
  }

  function redeem(session: FakeSession, key: string | null, typed: string): void {
    session.recovery = null;
    retireOlderTokens(session, null);
    begin(session, key, typed);
    record(session, "session.recovered");
    record(session, "session.token_rotated");
  }

  function identify(request: ApiRequest): Reply {
    const session = prove(request);
    const fields = readFields(request);
    const optional = { isOptional: true, mayBeEmpty: true };
    const name = fields.text("name", { ...optional, most: 200, clean: shownText });
    const email = fields.text("email", {
      ...optional,
      most: 254,
      pattern: /^[^\s@]+@[^\s@]+\.[^\s@]+$/,
      wrong: "Enter a valid email address.",
      clean: (text) => shownText(text).replace(/@[^@]*$/, (domain) => domain.toLowerCase()),
    });
    const consent = fields.consent(PURPOSES);
    fields.done();
    const isAttached = changeContact(session, name ?? session.name, email ?? session.email);
    for (const [purpose, answer] of Object.entries(consent)) storeConsent(session, purpose, answer);
    return renewed(request, session, isAttached);
  }

  /** Change name and address. @returns whether there is a new one */
  function changeContact(session: FakeSession, name: string, email: string): boolean {
    const [isNewName, isNewEmail] = [name !== session.name, email !== session.email];
    if (!isNewName && !isNewEmail) return false;
    if (isNewEmail) Object.assign(session, { isEmailProven: false, code: null });
    Object.assign(session, { name, email });
    const isAttached = Boolean((isNewName && name) || (isNewEmail && email));
    if (isAttached) markUsed(session);
    record(session, "session.identified");
    return isAttached;
  }

  function storeConsent(
    session: FakeSession,
    purpose: string,
    { granted, version }: Schemas["ConsentChange"],
  ): void {
    const before = session.consent[purpose];
    if (before?.granted === granted && before.version === version) return;
    session.consent = { ...session.consent, [purpose]: { granted, version } };
    record(session, granted ? "consent.granted" : "consent.withdrawn");
  }

  /** A retired token never gets a newer one. */
  function renewed(request: ApiRequest, session: FakeSession, isRenewed: boolean): Reply {
    const body = describeCurrent(session);
    if (!isRenewed || !isNewest(session, tokenOf(request))) return { status: 200, body };
    record(session, "session.token_rotated");
    return withToken(200, body, session, request.bearer !== null);
  }

  function sendCode(request: ApiRequest): Reply {
    const session = prove(request);
    if (!session.email) throw new Refusal("email_missing");
    const next = (session.code?.expiresAt ?? 0) - 10 * MINUTE + SEND_INTERVAL;
    if (next > now()) {
      const headers = { "Retry-After": String(Math.ceil((next - now()) / 1000)) };
      throw new Refusal("rate_limited", {}, session, "", headers);
    }
    const expiresAt = now() + 10 * MINUTE;
    session.code = { text: randomDigits(6), expiresAt, tries: 0 };
    emails.push({ to: session.email, code: session.code.text });
    const body: Schemas["CodeSent"] = {
      expires_at: iso(expiresAt),
      next_in: SEND_INTERVAL / 1000,
    };
    return { status: 202, body };
  }

  function verifyCode(request: ApiRequest): Reply {
    const session = prove(request);
    const fields = readFields(request);
    const typed = fields.text("code", { pattern: /^[0-9]{6}$/ });
    fields.done();
    const { code } = session;
    if (!code || code.tries >= CODE_TRIES || code.expiresAt <= now()) {
      throw new Refusal("code_expired");
    }
    code.tries++;
    if (typed !== code.text) {
      throw new Refusal("code_wrong", { tries_left: CODE_TRIES - code.tries }, session);
    }
    if (session.isEmailProven) return renewed(request, session, false);
    // The right code does not count as a try: if this answer is lost, it must work again.
    code.tries = 0;
    Object.assign(session, { isEmailProven: true, completedAt: now() });
    session.expiresAt = expiry(session);
    record(session, "session.completed");
    return renewed(request, session, true);
  }

  function reset(request: ApiRequest): Reply {
    const session = prove(request, "expired", "reset");
    const fields = readFields(request);
    const reason = fields.choice("reason", REASONS, "requested");
    fields.done();
    const given = retryKey(request);
    // The visitor left another person's session. Its token must not lead to the new session.
    const key = ["not_me", "mismatch"].includes(reason) ? null : given;
    if (!isNewest(session, tokenOf(request))) throw new Refusal("session_invalid", {}, session);
    const { successor } = session;
    if (successor && !repeats(successor, key)) throw ended(session);
    if (session.status === "active") session.status = "reset";
    const next = (session.successor = successor ?? issue(session));
    if (!successor) begin(next, key);
    const previous = { uuid: session.uuid, reason, lost: lost(session) };
    const body: Schemas["Successor"] = { ...describe(next), previous };
    return withToken(201, body, next, request.bearer !== null);
  }

  function end(request: ApiRequest): Reply {
    const session = prove(request, "expired");
    const isErased = booleanOf(request.query.get("erase") ?? "no");
    if (isErased === undefined) {
      const errors = { erase: [{ code: "invalid", detail: NO_BOOLEAN }] };
      throw new Refusal("invalid_input", { errors });
    }
    if (!isErased && session.status !== "active") throw ended(session);
    session.status = isErased ? "erased" : "ended";
    if (isErased) {
      session.tokens.clear();
      Object.assign(session, { name: "", email: "", isEmailProven: false, completedAt: null });
      Object.assign(session, { consent: {}, code: null, recovery: null, files: [] });
      session.reserved = { files: 0, bytes: 0 };
    }
    return { status: 204, cookie: null };
  }

  function assertion(request: ApiRequest): Reply {
    const signed = `${prove(request).uuid}:${randomHex(32)}`;
    const expires_at = iso(now() + 5 * MINUTE);
    const body: Schemas["IssuedAssertion"] = { assertion: signed, expires_at };
    return { status: 200, body };
  }

  function exportData(request: ApiRequest): Reply {
    const session = prove(request);
    record(session, "session.exported");
    return {
      status: 200,
      body: exported(session, state),
      headers: { "Content-Disposition": 'attachment; filename="maria-session.json"' },
    };
  }

  function activity(request: ApiRequest): Reply {
    const events = [...prove(request).events].reverse();
    const place = ({ event_id, occurred_at }: Schemas["Activity"]) => ({
      id: event_id,
      at: occurred_at,
    });
    const body: Schemas["PaginatedActivityList"] = page(request, events, place, state.pageSize);
    return { status: 200, body };
  }

  return {
    create,
    validate,
    recover,
    current: (request: ApiRequest): Reply => ({
      status: 200,
      body: describeCurrent(prove(request)),
    }),
    identify,
    sendCode,
    verifyCode,
    reset,
    end,
    assertion,
    exportData,
    activity,
  };
}
