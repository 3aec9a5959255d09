import type { Schemas } from "../api/http.js";
import { isSessionUUID } from "../utils/sessionUtils.js";
import { createFakeEvents } from "./fakeEvents.js";
import { randomHex, randomSupportCode, randomUuid } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";

/** A session of the fake server. Tests may read and change it. */
export interface FakeSession {
  uuid: string;
  supportCode: string;
  status: Schemas["SessionStatus"];
  createdAt: number;
  lastSeenAt: number;
  expiresAt: number;
  /** The end of each token's validity in milliseconds. The last token is the newest. */
  tokens: Map<string, number>;
  /** The reset or recovery that issued the newest token. It can be repeated until that is used. */
  attempt: { key: string | null; code: string | null; until: number } | null;
  /** Whether a request has proven the session. */
  used: boolean;
  /** When it got its first file or contact data. Until then it expires earlier. */
  usedAt: number | null;
  predecessor: FakeSession | null;
  successor: FakeSession | null;
  name: string;
  email: string;
  isEmailProven: boolean;
  completedAt: number | null;
  consent: Record<string, Schemas["ConsentChange"]>;
  code: { text: string; expiresAt: number; tries: number } | null;
  recovery: string | null;
  /** Oldest first. `key` is the Idempotency-Key of the request. */
  files: FakeFile[];
  /** The deleted ones. */
  deletedFiles: FakeFile[];
  /** Files and bytes of direct uploads that have not finished. */
  reserved: { files: number; bytes: number };
  events: Schemas["Activity"][];
}

export interface FakeFile {
  upload: Schemas["Upload"];
  key: string | null;
}

export interface FakeApiOptions {
  limits?: Partial<Schemas["Limits"]> | undefined;
  /**
   * Milliseconds until a session without activity expires. Default: as the API has it, one day; seven
   * days after its first file or contact data, and a year after its address was verified.
   */
  lifetime?: number | undefined;
  /** Files or events on one page of a list. Default: 100. */
  pageSize?: number | undefined;
}

export interface ApiRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
  /** The tokens that it carries. */
  cookie: string | null;
  bearer: string | null;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** How long an older token stays valid after the first use of the newest. */
const OVERLAP = 30_000;
/** How long an older token stays valid if the newest is never used. */
const LONGEST_RETIREMENT = DAY;
/** How long a reset or a recovery can be repeated. */
const REPEATABLE = 10 * MINUTE;

export const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

/** The Idempotency-Key of a request. @throws Refusal */
export function retryKey({ headers }: ApiRequest): string | null {
  const key = headers.get("Idempotency-Key");
  if (key !== null && !/^[!-~]{1,128}$/.test(key)) throw new Refusal("idempotency_key_malformed");
  return key;
}

/** The sessions of the fake server and their proofs. */
export function createFakeSessions(options: FakeApiOptions, now: () => number) {
  const limits: Schemas["Limits"] = {
    max_files: 3,
    max_file_bytes: 5 * 1024 ** 2,
    max_total_bytes: 15 * 1024 ** 2,
    types: ["pdf"],
    direct_upload: false,
    ...options.limits,
  };
  const sessions: FakeSession[] = [];
  const { record, recordRefusal } = createFakeEvents(now);

  function issue(predecessor: FakeSession | null = null): FakeSession {
    const session: FakeSession = {
      uuid: randomUuid(),
      supportCode: randomSupportCode(),
      status: "active",
      createdAt: now(),
      lastSeenAt: now(),
      expiresAt: 0,
      tokens: new Map(),
      attempt: null,
      used: false,
      usedAt: null,
      predecessor,
      successor: null,
      name: "",
      email: "",
      isEmailProven: false,
      completedAt: null,
      consent: {},
      code: null,
      recovery: null,
      files: [],
      deletedFiles: [],
      reserved: { files: 0, bytes: 0 },
      events: [],
    };
    session.expiresAt = expiry(session);
    sessions.push(session);
    record(session, "session.created");
    return session;
  }

  /** When a session expires if it is not used after now. */
  function expiry({ createdAt, usedAt, completedAt }: FakeSession): number {
    if (options.lifetime !== undefined) return now() + options.lifetime;
    if (completedAt !== null) return completedAt + 365 * DAY;
    return Math.min(now() + (usedAt === null ? 1 : 7) * DAY, createdAt + 30 * DAY);
  }

  function markUsed(session: FakeSession): void {
    if (session.usedAt !== null) return;
    session.usedAt = now();
    if (options.lifetime === undefined) session.expiresAt = expiry(session);
  }

  const usedBytes = ({ files, reserved }: FakeSession) =>
    files.reduce((sum, { upload }) => sum + upload.size, reserved.bytes);

  const lost = ({ files }: FakeSession): Schemas["Lost"] => ({
    count: files.length,
    files: files.map(({ upload }) => upload.name),
  });

  const describe = (session: FakeSession): Schemas["Session"] => ({
    uuid: session.uuid,
    support_code: session.supportCode,
    status: session.status,
    created_at: iso(session.createdAt),
    expires_at: iso(session.expiresAt),
    limits,
  });

  const identity = ({ name, email, isEmailProven }: FakeSession): Schemas["IdentityEnum"] =>
    isEmailProven ? "completed" : name || email ? "identified" : "anonymous";

  function describeCurrent(session: FakeSession): Schemas["CurrentSession"] {
    const { name, email, consent, completedAt, files, reserved } = session;
    return {
      ...describe(session),
      last_seen_at: iso(session.lastSeenAt),
      used: { files: files.length + reserved.files, bytes: usedBytes(session) },
      identity: identity(session),
      name,
      email,
      completed_at: completedAt ? iso(completedAt) : null,
      consent,
    };
  }

  /** Answer with a new token, in the body or as the cookie. */
  function withToken(status: number, body: object, session: FakeSession, isBearer: boolean): Reply {
    const token = `mss1_${randomHex(43)}`;
    for (const [older, until] of session.tokens) {
      session.tokens.set(older, Math.min(until, now() + LONGEST_RETIREMENT));
    }
    session.tokens.set(token, Infinity);
    return isBearer ? { status, body: { ...body, token } } : { status, body, cookie: token };
  }

  /** The token that a request carries, or null. @throws Refusal if it carries two different ones */
  function tokenOf({ cookie, bearer }: ApiRequest): string | null {
    if (bearer !== null && cookie !== null && bearer !== cookie) {
      throw new Refusal("credentials_differ");
    }
    return bearer ?? cookie;
  }

  /** Find the session that a request proves, in any state. */
  function findAny(request: ApiRequest): FakeSession | undefined {
    const token = tokenOf(request);
    return sessions.find(({ tokens }) => token && (tokens.get(token) ?? 0) > now());
  }

  /** Find the session that a request proves. An active session is marked as seen. */
  function find(request: ApiRequest): FakeSession | undefined {
    const token = tokenOf(request);
    const session = findAny(request);
    if (session?.status !== "active") return session;
    if (session.expiresAt <= now()) {
      session.status = "expired";
      return session;
    }
    if (isNewest(session, token)) {
      session.attempt = null;
      retireOlderTokens(session, token);
    }
    if (!session.used || now() - session.lastSeenAt >= MINUTE) {
      Object.assign(session, { used: true, lastSeenAt: now(), expiresAt: expiry(session) });
    }
    return session;
  }

  const isNewest = ({ tokens }: FakeSession, token: string | null) =>
    token === [...tokens.keys()].at(-1);

  function retireOlderTokens({ tokens }: FakeSession, newest: string | null): void {
    for (const [token, until] of tokens) {
      if (token !== newest) tokens.set(token, Math.min(until, now() + OVERLAP));
    }
  }

  /** Remember the request that issues the next token. Without a key it cannot be repeated. */
  function begin(session: FakeSession, key: string | null, code: string | null = null): void {
    session.attempt = key ? { key, code, until: now() + REPEATABLE } : null;
  }

  /** Whether a request repeats the one that issued the newest token. That token ends. */
  function repeats(session: FakeSession, key: string | null, code: string | null = null): boolean {
    const { attempt, status, tokens } = session;
    if (status !== "active" || !attempt || attempt.until <= now()) return false;
    if (attempt.key !== key || attempt.code !== code) return false;
    tokens.delete([...tokens.keys()].at(-1) ?? "");
    record(session, "session.token_rotated");
    return true;
  }

  function ended(session: FakeSession): Refusal {
    const { status, supportCode } = session;
    const extra = { reason: status, support_code: supportCode, lost: lost(session) };
    return new Refusal("session_invalid", extra);
  }

  const prove = (request: ApiRequest, ...accepted: FakeSession["status"][]) =>
    admit(request, find(request), accepted);

  /** Prove a session without an activity. @throws Refusal */
  function ask(request: ApiRequest): FakeSession {
    const session = findAny(request);
    const isDue = session?.status === "active" && session.expiresAt <= now();
    return admit(request, isDue ? { ...session, status: "expired" } : session);
  }

  function admit(
    request: ApiRequest,
    session: FakeSession | undefined,
    accepted: FakeSession["status"][] = [],
  ): FakeSession {
    if (!session)
      throw new Refusal(tokenOf(request) === null ? "session_required" : "session_invalid");
    if (!["active", ...accepted].includes(session.status)) throw ended(session);
    const uuid = request.headers.get("X-Session-UUID");
    const isSafe = ["GET", "HEAD"].includes(request.method);
    if (uuid === null) {
      if (request.bearer === null && !isSafe) {
        throw new Refusal("session_header_required", {}, session);
      }
    } else if (!isSessionUUID(uuid)) {
      throw new Refusal("uuid_malformed", {}, session);
    } else if (uuid !== session.uuid) {
      throw new Refusal("session_mismatch", { support_code: session.supportCode }, session);
    }
    return session;
  }

  return {
    now,
    limits,
    sessions,
    record,
    recordRefusal,
    issue,
    markUsed,
    usedBytes,
    lost,
    identity,
    expiry,
    describe,
    describeCurrent,
    withToken,
    tokenOf,
    find,
    isNewest,
    retireOlderTokens,
    begin,
    repeats,
    ended,
    prove,
    ask,
    pageSize: options.pageSize ?? 100,
  };
}

export type FakeSessions = ReturnType<typeof createFakeSessions>;
