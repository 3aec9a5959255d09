import type { Schemas } from "../api/http.js";
import { randomCode, randomHex, randomUuid } from "./random.js";
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
  successor: FakeSession | null;
  name: string;
  email: string;
  completedAt: number | null;
  consent: Record<string, Schemas["ConsentChange"]>;
  code: { text: string; expiresAt: number; tries: number } | null;
  recovery: string | null;
  /** Oldest first. `key` is the Idempotency-Key of the request. */
  files: { upload: Schemas["Upload"]; key: string | null }[];
  events: Schemas["Activity"][];
}

export interface FakeApiOptions {
  limits?: Partial<Schemas["Limits"]> | undefined;
  /** Milliseconds until an unused session expires. Default: one day. */
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
  token: string | null;
  isBearer: boolean;
}

const MINUTE = 60_000;
/** How long an older token stays valid after the first use of the newest. */
const OVERLAP = 30_000;
/** How long an older token stays valid if the newest is never used. */
const LONGEST_RETIREMENT = 24 * 60 * MINUTE;
/** How long a reset or a recovery can be repeated. */
const REPEATABLE = 10 * MINUTE;

export const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

/** A text field of a JSON body; empty if it is missing. */
export function textField(body: unknown, field: string): string {
  const value = (body as Record<string, unknown> | undefined)?.[field];
  return typeof value === "string" ? value : "";
}

/** The sessions of the fake server, their proofs and their events. */
export function createFakeSessions(options: FakeApiOptions, now: () => number) {
  const { lifetime = 24 * 60 * MINUTE, pageSize = 100 } = options;
  const limits: Schemas["Limits"] = {
    max_files: 3,
    max_file_bytes: 5 * 1024 ** 2,
    max_total_bytes: 15 * 1024 ** 2,
    types: ["pdf"],
    direct_upload: false,
    ...options.limits,
  };
  const sessions: FakeSession[] = [];

  function record(session: FakeSession, event: string, meaning: string, file = ""): void {
    const rest = {
      event_id: randomUuid(),
      occurred_at: iso(now()),
      outcome: "success",
      who: "you",
    };
    session.events.push({ ...rest, event, meaning, file } as Schemas["Activity"]);
  }

  function issue(): FakeSession {
    const session: FakeSession = {
      uuid: randomUuid(),
      supportCode: randomCode(2),
      status: "active",
      createdAt: now(),
      lastSeenAt: now(),
      expiresAt: now() + lifetime,
      tokens: new Map(),
      attempt: null,
      used: false,
      successor: null,
      name: "",
      email: "",
      completedAt: null,
      consent: {},
      code: null,
      recovery: null,
      files: [],
      events: [],
    };
    sessions.push(session);
    record(session, "session.created", "You started this session.");
    return session;
  }

  const usedBytes = ({ files }: FakeSession) =>
    files.reduce((sum, { upload }) => sum + upload.size, 0);

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

  function describeCurrent(session: FakeSession): Schemas["CurrentSession"] {
    const { name, email, consent, completedAt, files } = session;
    const known = name || email ? "identified" : "anonymous";
    return {
      ...describe(session),
      last_seen_at: iso(session.lastSeenAt),
      used: { files: files.length, bytes: usedBytes(session) },
      identity: completedAt ? "completed" : known,
      name,
      email,
      completed_at: completedAt ? iso(completedAt) : null,
      consent,
    };
  }

  /** Answer with a new token, in the body or as the cookie. */
  function withToken(status: number, body: object, session: FakeSession, isBearer: boolean): Reply {
    const token = `mss1_${randomHex(40)}`;
    for (const [older, until] of session.tokens) {
      session.tokens.set(older, Math.min(until, now() + LONGEST_RETIREMENT));
    }
    session.tokens.set(token, Infinity);
    return isBearer ? { status, body: { ...body, token } } : { status, body, cookie: token };
  }

  /** Find the session of a token, in any state. An active session is marked as seen. */
  function find(token: string | null): FakeSession | undefined {
    const session = sessions.find(({ tokens }) => token && (tokens.get(token) ?? 0) > now());
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
      Object.assign(session, { used: true, lastSeenAt: now(), expiresAt: now() + lifetime });
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
    return true;
  }

  function ended(session: FakeSession): Refusal {
    const { status, supportCode } = session;
    const extra = { reason: status, support_code: supportCode, lost: lost(session) };
    return new Refusal("session_invalid", extra);
  }

  function prove(request: ApiRequest, ...accepted: FakeSession["status"][]): FakeSession {
    if (!request.token) throw new Refusal("session_required");
    const session = find(request.token);
    if (!session) throw new Refusal("session_invalid");
    if (!["active", ...accepted].includes(session.status)) throw ended(session);
    const uuid = request.headers.get("X-Session-UUID");
    if (!uuid && !request.isBearer && request.method !== "GET") {
      throw new Refusal("session_header_required");
    }
    if (uuid && uuid !== session.uuid) {
      throw new Refusal("session_mismatch", { support_code: session.supportCode });
    }
    return session;
  }

  function page<T>({ path, query }: ApiRequest, items: T[]) {
    const start = Number(query.get("cursor") ?? 0);
    const next = start + pageSize;
    // Behind a proxy the server sees an internal host.
    const address = `http://backend.internal/api/v1/${path}?cursor=`;
    return {
      results: items.slice(start, next),
      next: next < items.length ? address + next : null,
      previous: start ? address + Math.max(0, start - pageSize) : null,
    };
  }

  return {
    now,
    limits,
    sessions,
    record,
    issue,
    usedBytes,
    lost,
    describe,
    describeCurrent,
    withToken,
    find,
    isNewest,
    retireOlderTokens,
    begin,
    repeats,
    ended,
    prove,
    page,
  };
}

export type FakeSessions = ReturnType<typeof createFakeSessions>;
