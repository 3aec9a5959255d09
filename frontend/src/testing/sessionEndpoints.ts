import type { Schemas } from "../api/http.js";
import {
  iso,
  textField,
  type ApiRequest,
  type FakeSession,
  type FakeSessions,
} from "./fakeSessions.js";
import { randomDigits, randomHex } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";

const MINUTE = 60_000;

/** The endpoints under `sessions/`. Codes for e-mail addresses go to `emails`. */
export function createSessionEndpoints(
  state: FakeSessions,
  emails: { to: string; code: string }[],
) {
  const { now, sessions, record, issue, lost, describe, describeCurrent } = state;
  const { withToken, find, isNewest, retireOlderTokens, begin, repeats, ended, prove, page } =
    state;

  function create({ body, token }: ApiRequest): Reply {
    const proven = find(token);
    if (proven?.status === "active") return { status: 200, body: describe(proven) };
    const session = issue();
    return withToken(201, describe(session), session, textField(body, "credential") === "bearer");
  }

  function validate({ body, token }: ApiRequest): Reply {
    const uuid = textField(body, "uuid");
    const isWellFormed = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
    if (!isWellFormed) throw new Refusal("uuid_malformed");
    const proven = find(token);
    const status = proven?.uuid === uuid ? proven.status : "well_formed";
    return { status: 200, body: { uuid, status } satisfies Schemas["Validated"] };
  }

  function recover({ body, headers }: ApiRequest): Reply {
    const plain = (code: string) => code.toUpperCase().replaceAll(/[\s-]/g, "");
    const typed = plain(textField(body, "code"));
    const key = headers.get("Idempotency-Key");
    const isLive = ({ status }: FakeSession) => status === "active";
    const session = sessions.find(
      (one) => isLive(one) && one.recovery !== null && plain(one.recovery) === typed,
    );
    const found = session ?? sessions.find((one) => isLive(one) && repeats(one, key, typed));
    if (!found) throw new Refusal("recovery_invalid");
    if (session) redeem(session, key, typed);
    return withToken(
      200,
      describeCurrent(found),
      found,
      textField(body, "credential") === "bearer",
    );
  }

  function redeem(session: FakeSession, key: string | null, typed: string): void {
    session.recovery = null;
    retireOlderTokens(session, null);
    begin(session, key, typed);
    record(session, "session.recovered", "You opened this session on another device.");
  }

  function identify(request: ApiRequest): Reply {
    const session = prove(request);
    const { consent, ...contact } = request.body as Schemas["PatchedIdentifyRequest"];
    const { name = session.name, email = session.email } = contact;
    if (email && !/^\S+@\S+\.\S+$/.test(email)) {
      const detail = "Enter a valid email address.";
      throw new Refusal("invalid_input", { errors: { email: [{ code: "invalid", detail }] } });
    }
    const isAttached = (name && name !== session.name) || (email && email !== session.email);
    if (email !== session.email) session.completedAt = null;
    Object.assign(session, { name, email, consent: { ...session.consent, ...consent } });
    record(session, "session.identified", "You changed your name or e-mail address.");
    return renewed(request, session, Boolean(isAttached));
  }

  /** A retired token never gets a newer one. */
  function renewed(
    { token, isBearer }: ApiRequest,
    session: FakeSession,
    isRenewed: boolean,
  ): Reply {
    const body = describeCurrent(session);
    return isRenewed && isNewest(session, token)
      ? withToken(200, body, session, isBearer)
      : { status: 200, body };
  }

  function sendCode(request: ApiRequest): Reply {
    const session = prove(request);
    if (!session.email) throw new Refusal("email_missing");
    const expiresAt = now() + 10 * MINUTE;
    session.code = { text: randomDigits(6), expiresAt, tries: 0 };
    emails.push({ to: session.email, code: session.code.text });
    const body: Schemas["CodeSent"] = { expires_at: iso(expiresAt), next_in: 30 };
    return { status: 202, body };
  }

  function verifyCode(request: ApiRequest): Reply {
    const session = prove(request);
    const { code, completedAt } = session;
    if (!code || code.tries >= 5 || code.expiresAt <= now()) throw new Refusal("code_expired");
    if (textField(request.body, "code") !== code.text) {
      throw new Refusal("code_wrong", { tries_left: 5 - ++code.tries });
    }
    session.completedAt ??= now();
    return renewed(request, session, !completedAt);
  }

  function reset(request: ApiRequest): Reply {
    const session = prove(request, "expired", "reset");
    const reason = textField(request.body, "reason") || "requested";
    const isForeign = ["not_me", "mismatch"].includes(reason);
    const key = isForeign ? null : request.headers.get("Idempotency-Key");
    if (!isNewest(session, request.token)) throw new Refusal("session_invalid");
    const { successor } = session;
    if (successor && !repeats(successor, key)) throw ended(session);
    if (session.status === "active") session.status = "reset";
    const next = (session.successor = successor ?? issue());
    if (!successor) begin(next, key);
    const previous = { uuid: session.uuid, reason, lost: lost(session) };
    const body: Schemas["Successor"] = { ...describe(next), previous };
    return withToken(201, body, next, request.isBearer);
  }

  function end(request: ApiRequest): Reply {
    const session = prove(request, "expired");
    const isErased = request.query.get("erase") === "true";
    if (!isErased && session.status !== "active") throw ended(session);
    session.status = isErased ? "erased" : "ended";
    if (isErased) {
      session.tokens.clear();
      Object.assign(session, { name: "", email: "", completedAt: null, consent: {}, files: [] });
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
    const files = session.files.map(({ upload }) => upload);
    return {
      status: 200,
      body: { session: describeCurrent(session), files, events: session.events },
    };
  }

  function activity(request: ApiRequest): Reply {
    const events = [...prove(request).events].reverse();
    const body: Schemas["PaginatedActivityList"] = page(request, events);
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
