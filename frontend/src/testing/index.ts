import { SessionError } from "../api/http.js";
import type { ResetReason, Schemas } from "../api/http.js";
import type { paths } from "../api/schema.js";
import type { Transport } from "../api/uploadApi.js";

/** One request as it arrived, for tests to look at. */
export interface FakeRequest {
  method: string;
  /** Without the API's prefix, like `sessions/current/`. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  /** JSON as an object, a form as it is, nothing as undefined. */
  body: unknown;
}

/** A session as the fake server keeps it. Tests may read and change it. */
export interface FakeSession {
  uuid: string;
  supportCode: string;
  status: Schemas["SessionStatus"];
  createdAt: number;
  lastSeenAt: number;
  expiresAt: number;
  /** Each token, and until when it is good (milliseconds); the last one is the newest. */
  tokens: Map<string, number>;
  /** Whether the server has seen its proof. */
  used: boolean;
  successor: FakeSession | null;
  name: string;
  email: string;
  completedAt: number | null;
  consent: Record<string, Schemas["ConsentChange"]>;
  code: { text: string; expiresAt: number; tries: number } | null;
  recovery: string | null;
  files: { upload: Schemas["Upload"]; key: string | null }[];
  /** Oldest first. */
  events: Schemas["Activity"][];
}

/** What shall happen to a request instead of what the API would do. */
export interface Failure {
  /** Only requests of this method, if given. */
  method?: string;
  /** Only requests to this path, like `sessions/current/`, if given. */
  path?: string;
  /** One of the API's codes, answered as its problem document. */
  code?: RefusalCode;
  /** Fields that the problem document has beside the usual ones. */
  extra?: object;
  /** Without a code: the answer's status. Without either, the connection breaks. */
  status?: number;
  /** The answer's body, word for word: a proxy's page, cut JSON. */
  body?: string;
  headers?: Record<string, string>;
  /** The server does its work, and only its answer is replaced. */
  arrives?: boolean;
}

/** Requests that wait until they are let go. */
export interface Hold {
  /** How many wait. */
  readonly waiting: number;
  /** Let them go on, and hold no more. */
  release(): void;
}

/** A file on its way, moved by the test. */
export interface FakeTransfer {
  readonly name: string;
  readonly size: number;
  /** Report so many bytes of the file as sent. */
  progress(sent: number): void;
  /** Let the file arrive. */
  finish(): void;
}

/** One browser: what it sends carries its cookie. */
export interface FakeBrowser {
  fetch: typeof globalThis.fetch;
  transport: Transport;
  /** The proof in its cookie jar, null without. Tests may take it away or swap it. */
  cookie: string | null;
}

export interface FakeServerOptions {
  limits?: Partial<Schemas["Limits"]>;
  /** Milliseconds that a session lives without being seen; a day. */
  lifetime?: number;
  /** How many files and events one page of a list has; 100. */
  pageSize?: number;
}

interface Reply {
  status: number;
  body?: unknown;
  /** What becomes of the cookie: a new proof, null for none, left out for no change. */
  cookie?: string | null;
}

const PREFIX = "/api/v1/";
const OVERLAP = 30_000;
const MINUTE = 60_000;

const REFUSALS = {
  code_expired: [410, "No code is waiting any more: ask for a new one."],
  code_wrong: [400, "That is not the code that was sent."],
  credentials_differ: [
    401,
    "The cookie and the Authorization header carry different tokens.",
  ],
  database_unavailable: [
    503,
    "The database is not available just now: try again soon.",
  ],
  email_missing: [409, "There is no e-mail address yet."],
  file_empty: [
    400,
    "That file is empty. Was it still being written when you chose it?",
  ],
  file_missing: [400, "No file arrived."],
  file_too_large: [413, "That file is too large."],
  idempotency_key_reused: [
    422,
    "This Idempotency-Key was sent with another file.",
  ],
  internal_error: [
    500,
    "Something went wrong on our side. Quote the request id to support.",
  ],
  invalid_input: [400, "Some of the input is not valid: see “errors”."],
  mail_unavailable: [
    503,
    "The code could not be sent just now: try again soon.",
  ],
  method_not_allowed: [
    405,
    "This address does not take that method: see Allow.",
  ],
  not_found: [
    404,
    "There is nothing at this address. API paths end in a slash.",
  ],
  origin_not_allowed: [403, "Pages of this origin may not use the API."],
  quota_exceeded: [409, "The session can hold no more: delete a file first."],
  rate_limited: [
    429,
    "Too many requests: wait as long as Retry-After says, then try again.",
  ],
  recovery_invalid: [
    401,
    "This recovery code is unknown, used or older than 15 minutes.",
  ],
  session_header_required: [
    403,
    "Send the session's UUID in the X-Session-UUID header.",
  ],
  session_invalid: [401, "This session is over or unknown: create a new one."],
  session_mismatch: [
    401,
    "X-Session-UUID names another session than the proven one.",
  ],
  session_required: [401, "This request needs a session: create one."],
  storage_unavailable: [
    503,
    "Storage is not available just now, and nothing was changed.",
  ],
  type_not_allowed: [
    415,
    "That file cannot be taken: its type is not allowed.",
  ],
  upload_in_progress: [409, "This upload is still running."],
  uuid_malformed: [400, "That is no session UUID."],
} as const satisfies Record<string, readonly [number, string]>;

export type RefusalCode = keyof typeof REFUSALS;

class Refusal extends Error {
  constructor(
    readonly code: RefusalCode,
    readonly extra: object = {},
  ) {
    super(code);
  }
}

const random = (symbols: string, length: number) =>
  Array.from(
    { length },
    () => symbols[Math.floor(Math.random() * symbols.length)],
  ).join("");
const HEX = "0123456789abcdef";
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const newUuid = () =>
  [
    random(HEX, 8),
    random(HEX, 4),
    `4${random(HEX, 3)}`,
    `a${random(HEX, 3)}`,
    random(HEX, 12),
  ].join("-");
const newCode = (groups: number) =>
  Array.from({ length: groups }, () => random(CROCKFORD, 4)).join("-");
const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

/**
 * A server for unit tests: it keeps sessions and files in memory and answers as the API does.
 *
 * Give `fetch` to `SessionProvider`'s `options` and `transport` to its `uploads`. No network, no
 * timers, and nothing shared between two servers. What it does not do: rate limits (see
 * `failNext`), looking into files, and serving their bytes.
 */
export function createFakeServer(options: FakeServerOptions = {}) {
  const { lifetime = 24 * 60 * MINUTE, pageSize = 100 } = options;
  const limits: Schemas["Limits"] = {
    max_files: 3,
    max_file_bytes: 5_000_000,
    max_total_bytes: 15_000_000,
    types: ["pdf"],
    ...options.limits,
  };
  const sessions: FakeSession[] = [];
  const requests: FakeRequest[] = [];
  const failures: Failure[] = [];
  const holds: {
    applies(request: FakeRequest): boolean;
    released: Promise<void>;
  }[] = [];
  const transfers: FakeTransfer[] = [];
  const emails: { to: string; code: string }[] = [];

  const now = () => Date.now() + server.ahead;

  // Sessions -------------------------------------------------------------------------------------

  function record(
    session: FakeSession,
    event: string,
    meaning: string,
    file = "",
    who = "you",
  ) {
    const outcome = "success" as const;
    const occurred_at = iso(now());
    session.events.push({
      event_id: newUuid(),
      occurred_at,
      event,
      meaning,
      outcome,
      who,
      file,
    });
  }

  function issue(): FakeSession {
    const session: FakeSession = {
      uuid: newUuid(),
      supportCode: newCode(2),
      status: "active",
      createdAt: now(),
      lastSeenAt: now(),
      expiresAt: now() + lifetime,
      tokens: new Map(),
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
    record(session, "SESSION_CREATED", "A session began.");
    return session;
  }

  /** A new token; those before stay good until 30 s after its first use. */
  function rotate(session: FakeSession): string {
    const token = `mss1_${random(HEX, 40)}`;
    session.tokens.set(token, Infinity);
    return token;
  }

  const lost = ({ files }: FakeSession): Schemas["Lost"] => ({
    count: files.length,
    files: files.map(({ upload }) => upload.name),
  });

  const told = (session: FakeSession): Schemas["Session"] => ({
    uuid: session.uuid,
    support_code: session.supportCode,
    status: session.status,
    created_at: iso(session.createdAt),
    expires_at: iso(session.expiresAt),
    limits,
  });

  const toldWhole = (session: FakeSession): Schemas["CurrentSession"] => ({
    ...told(session),
    last_seen_at: iso(session.lastSeenAt),
    used: {
      files: session.files.length,
      bytes: session.files.reduce((sum, { upload }) => sum + upload.size, 0),
    },
    identity: session.completedAt
      ? "completed"
      : session.name || session.email
        ? "identified"
        : "anonymous",
    name: session.name,
    email: session.email,
    completed_at: session.completedAt ? iso(session.completedAt) : null,
    consent: session.consent,
  });

  /** Say a session, with a token where the client carries it itself, otherwise in the cookie. */
  function handOver(
    status: number,
    body: Schemas["Session"] | Schemas["CurrentSession"] | Schemas["Successor"],
    token: string,
    isBearer: boolean,
  ): Reply {
    return isBearer
      ? { status, body: { ...body, token } }
      : { status, body, cookie: token };
  }

  // Who asks -------------------------------------------------------------------------------------

  interface Asked extends FakeRequest {
    token: string | null;
    isBearer: boolean;
  }

  function find(token: string | null): FakeSession | undefined {
    const session = sessions.find(
      ({ tokens }) => token && (tokens.get(token) ?? 0) > now(),
    );
    if (!session || !token || session.status !== "active") return session;
    if (session.expiresAt <= now()) {
      session.status = "expired";
      return session;
    }
    const newest = [...session.tokens.keys()].at(-1);
    for (const [older, until] of session.tokens) {
      if (token === newest && older !== newest && until === Infinity) {
        session.tokens.set(older, now() + OVERLAP);
      }
    }
    if (!session.used || now() - session.lastSeenAt >= MINUTE) {
      session.used = true;
      session.lastSeenAt = now();
      session.expiresAt = now() + lifetime;
    }
    return session;
  }

  function prove(
    { token, headers, method, isBearer }: Asked,
    ...accepted: FakeSession["status"][]
  ): FakeSession {
    if (!token) throw new Refusal("session_required");
    const session = find(token);
    if (!session) throw new Refusal("session_invalid");
    const { status, supportCode } = session;
    if (status !== "active" && !accepted.includes(status)) {
      const extra = {
        reason: status,
        support_code: supportCode,
        lost: lost(session),
      };
      throw new Refusal("session_invalid", extra);
    }
    const named = headers.get("X-Session-UUID");
    if (!named && !isBearer && method !== "GET")
      throw new Refusal("session_header_required");
    if (named && named !== session.uuid) {
      throw new Refusal("session_mismatch", { support_code: supportCode });
    }
    return session;
  }

  function page<T>({ path, query }: FakeRequest, items: T[]) {
    const start = Number(query.get("cursor") ?? 0);
    const next = start + pageSize;
    // A host that only proxies know, as behind one that is set up carelessly.
    const address = `http://backend.internal${PREFIX}${path}?cursor=`;
    return {
      results: items.slice(start, next),
      next: next < items.length ? address + next : null,
      previous: start ? address + Math.max(0, start - pageSize) : null,
    };
  }

  // The endpoints --------------------------------------------------------------------------------

  const text = (body: unknown, field: string) =>
    String((body as Record<string, unknown> | undefined)?.[field] ?? "");

  function identify(request: Asked): Reply {
    const session = prove(request);
    const { name, email, consent } =
      request.body as Schemas["PatchedIdentifyRequest"];
    if (email && !/^\S+@\S+\.\S+$/.test(email)) {
      const detail = "Enter a valid email address.";
      throw new Refusal("invalid_input", {
        errors: { email: [{ code: "invalid", detail }] },
      });
    }
    const isAttached =
      (name && name !== session.name) ||
      (email !== undefined && email && email !== session.email);
    if (email !== undefined && email !== session.email)
      session.completedAt = null;
    session.name = name ?? session.name;
    session.email = email ?? session.email;
    session.consent = { ...session.consent, ...consent };
    record(session, "SESSION_IDENTIFIED", "You said who you are.");
    return renewed(request, session, Boolean(isAttached));
  }

  function renewed(
    request: Asked,
    session: FakeSession,
    isNew: boolean,
  ): Reply {
    const body = toldWhole(session);
    return isNew
      ? handOver(200, body, rotate(session), request.isBearer)
      : { status: 200, body };
  }

  function sendCode(request: Asked): Reply {
    const session = prove(request);
    if (!session.email) throw new Refusal("email_missing");
    const expiresAt = now() + 10 * MINUTE;
    session.code = { text: random("0123456789", 6), expiresAt, tries: 0 };
    emails.push({ to: session.email, code: session.code.text });
    const body: Schemas["CodeSent"] = {
      expires_at: iso(expiresAt),
      next_in: 30,
    };
    return { status: 202, body };
  }

  function verifyCode(request: Asked): Reply {
    const session = prove(request);
    const { code } = session;
    if (!code || code.tries >= 5 || code.expiresAt <= now())
      throw new Refusal("code_expired");
    if (text(request.body, "code") !== code.text) {
      throw new Refusal("code_wrong", { tries_left: 5 - ++code.tries });
    }
    const isNew = !session.completedAt;
    session.completedAt ??= now();
    return renewed(request, session, isNew);
  }

  function reset(request: Asked): Reply {
    const session = prove(request, "expired", "reset");
    const { successor } = session;
    if (successor && (successor.used || successor.status !== "active")) {
      const extra = {
        reason: session.status,
        support_code: session.supportCode,
      };
      throw new Refusal("session_invalid", { ...extra, lost: lost(session) });
    }
    if (session.status === "active") session.status = "reset";
    const next = (session.successor = successor ?? issue());
    const previous: Schemas["Previous"] = {
      uuid: session.uuid,
      reason: text(request.body, "reason") || "requested",
      lost: lost(session),
    };
    return handOver(
      201,
      { ...told(next), previous },
      rotate(next),
      request.isBearer,
    );
  }

  function end(request: Asked): Reply {
    const session = prove(request, "expired");
    const erase = request.query.get("erase") === "true";
    if (!erase && session.status !== "active") {
      const extra = {
        reason: session.status,
        support_code: session.supportCode,
      };
      throw new Refusal("session_invalid", { ...extra, lost: lost(session) });
    }
    session.status = erase ? "erased" : "ended";
    if (erase) {
      const nothing = {
        name: "",
        email: "",
        completedAt: null,
        consent: {},
        files: [],
      };
      Object.assign(session, nothing, { tokens: new Map() });
    }
    return { status: 204, cookie: null };
  }

  function recover({ body }: Asked): Reply {
    const typed = text(body, "code").toUpperCase().replaceAll(/[\s-]/g, "");
    const session = sessions.find(
      ({ recovery, status }) =>
        status === "active" && recovery?.replaceAll("-", "") === typed,
    );
    if (!session) throw new Refusal("recovery_invalid");
    session.recovery = null;
    record(
      session,
      "SESSION_RECOVERED",
      "The session was brought back by a code from support.",
    );
    return handOver(
      200,
      toldWhole(session),
      rotate(session),
      text(body, "credential") === "bearer",
    );
  }

  function create({ body, token }: Asked): Reply {
    const proven = find(token);
    if (proven?.status === "active") return { status: 200, body: told(proven) };
    const session = issue();
    return handOver(
      201,
      told(session),
      rotate(session),
      text(body, "credential") === "bearer",
    );
  }

  function validate({ body, token }: Asked): Reply {
    const uuid = text(body, "uuid");
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid))
      throw new Refusal("uuid_malformed");
    const proven = find(token);
    const status = proven?.uuid === uuid ? proven.status : "well_formed";
    return {
      status: 200,
      body: { uuid, status } satisfies Schemas["Validated"],
    };
  }

  function assertion(request: Asked): Reply {
    const session = prove(request);
    const body: Schemas["IssuedAssertion"] = {
      assertion: `${session.uuid}:${random(HEX, 32)}`,
      expires_at: iso(now() + 5 * MINUTE),
    };
    return { status: 200, body };
  }

  function store(request: Asked): Reply {
    const session = prove(request);
    const file =
      request.body instanceof FormData ? request.body.get("file") : null;
    if (!(file instanceof File)) throw new Refusal("file_missing");
    const { name, size } = file;
    const key = request.headers.get("Idempotency-Key");
    const earlier = session.files.find(
      (known) => key && known.key === key,
    )?.upload;
    if (earlier?.name === name && earlier.size === size)
      return { status: 201, body: earlier };
    if (earlier) throw new Refusal("idempotency_key_reused");
    const { max_file_bytes, types } = limits;
    if (!size) throw new Refusal("file_empty");
    if (size > max_file_bytes)
      throw new Refusal("file_too_large", { max_file_bytes });
    if (!types.some((type) => name.toLowerCase().endsWith(`.${type}`))) {
      throw new Refusal("type_not_allowed", { types });
    }
    const bytes = session.files.reduce(
      (sum, { upload }) => sum + upload.size,
      size,
    );
    if (
      session.files.length >= limits.max_files ||
      bytes > limits.max_total_bytes
    ) {
      throw new Refusal("quota_exceeded");
    }
    return { status: 201, body: keep(session, name, size, key) };
  }

  function keep(
    session: FakeSession,
    name: string,
    size: number,
    key: string | null,
  ) {
    const upload: Schemas["Upload"] = {
      id: newUuid(),
      name,
      size,
      content_type: "application/pdf",
      sha256: random(HEX, 64),
      status: "stored",
      created_at: iso(now()),
    };
    session.files.push({ upload, key });
    record(session, "FILE_STORED", "A file was stored.", name);
    return upload;
  }

  /** The file that a path names; a deleted one is gone as if it had never been. */
  function named(request: Asked) {
    const session = prove(request);
    const id = request.path.split("/")[1];
    const file = session.files.find(({ upload }) => upload.id === id);
    return { session, file };
  }

  function show(request: Asked): Reply {
    const { file } = named(request);
    if (!file) throw new Refusal("not_found");
    return { status: 200, body: file.upload };
  }

  const deleted = new Set<string>();

  function remove(request: Asked): Reply {
    const { session, file } = named(request);
    if (!file && !deleted.has(request.path)) throw new Refusal("not_found");
    deleted.add(request.path);
    session.files = session.files.filter((other) => other !== file);
    if (file)
      record(session, "FILE_DELETED", "A file was deleted.", file.upload.name);
    return { status: 204 };
  }

  function link(request: Asked): Reply {
    const { file } = named(request);
    if (!file) throw new Refusal("not_found");
    const url = `${PREFIX}uploads/${file.upload.id}/download/?link=${random(HEX, 16)}`;
    return {
      status: 200,
      body: { url, expires_at: iso(now() + MINUTE) } satisfies Schemas["Link"],
    };
  }

  function listFiles(request: Asked): Reply {
    const uploads = prove(request).files.map(({ upload }) => upload);
    const body: Schemas["PaginatedUploadList"] = page(
      request,
      uploads.reverse(),
    );
    return { status: 200, body };
  }

  function activity(request: Asked): Reply {
    const events = [...prove(request).events].reverse();
    const body: Schemas["PaginatedActivityList"] = page(request, events);
    return { status: 200, body };
  }

  function exportData(request: Asked): Reply {
    const session = prove(request);
    const files = session.files.map(({ upload }) => upload);
    return {
      status: 200,
      body: { session: toldWhole(session), files, events: session.events },
    };
  }

  type Endpoints = Partial<
    Record<keyof paths, Partial<Record<string, (asked: Asked) => Reply>>>
  >;

  const endpoints: Endpoints = {
    "/api/v1/sessions/": { POST: create },
    "/api/v1/sessions/validate/": { POST: validate },
    "/api/v1/sessions/recover/": { POST: recover },
    "/api/v1/sessions/current/": {
      GET: (asked) => ({ status: 200, body: toldWhole(prove(asked)) }),
      PATCH: identify,
      DELETE: end,
    },
    "/api/v1/sessions/current/email/": { POST: sendCode },
    "/api/v1/sessions/current/email/verify/": { POST: verifyCode },
    "/api/v1/sessions/current/reset/": { POST: reset },
    "/api/v1/sessions/current/export/": { GET: exportData },
    "/api/v1/sessions/current/activity/": { GET: activity },
    "/api/v1/sessions/current/assertion/": { POST: assertion },
    "/api/v1/uploads/": { GET: listFiles, POST: store },
    "/api/v1/uploads/{id}/": { GET: show, DELETE: remove },
    "/api/v1/uploads/{id}/link/": { POST: link },
  };

  function respond(asked: Asked): Reply {
    const place = asked.path.replace(/^uploads\/[^/]+\//, "uploads/{id}/");
    const methods = endpoints[(PREFIX + place) as keyof paths];
    const endpoint = methods?.[asked.method];
    try {
      if (!endpoint)
        throw new Refusal(methods ? "method_not_allowed" : "not_found");
      return endpoint(asked);
    } catch (thrown) {
      if (thrown instanceof Refusal) return problem(thrown.code, thrown.extra);
      throw thrown;
    }
  }

  function problem(code: RefusalCode, extra: object = {}): Reply {
    const [status, detail] = REFUSALS[code];
    const type = `urn:maria:problem:${code}`;
    const request_id = random(HEX, 32);
    const body: Schemas["InvalidInput"] = {
      type,
      title: code,
      status,
      detail,
      code,
      request_id,
    };
    return { status, body: { ...body, ...extra } };
  }

  // The wire -------------------------------------------------------------------------------------

  const fits = (
    request: FakeRequest,
    { method, path }: Pick<Failure, "method" | "path">,
  ) =>
    (!method || request.method === method) && (!path || request.path === path);

  function breaks(): never {
    throw new TypeError("Failed to fetch");
  }

  /** Take one request through everything that a test has asked for; rejects if nobody answers. */
  async function exchange(
    browser: { cookie: string | null; keepsCookies: boolean },
    url: string,
    init: {
      method: string;
      headers: Headers;
      body: unknown;
      withCookie: boolean;
    },
  ): Promise<Response> {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const { method, headers, body, withCookie } = init;
    const path = pathname.slice(pathname.indexOf(PREFIX) + PREFIX.length);
    const request: FakeRequest = {
      method,
      path,
      query: searchParams,
      headers,
      body,
    };
    requests.push(request);
    if (server.offline) breaks();
    for (const hold of holds) if (hold.applies(request)) await hold.released;
    const index = failures.findIndex((failure) => fits(request, failure));
    const [failure] = index < 0 ? [] : failures.splice(index, 1);
    let reply: Reply = { status: 0 };
    if (!failure || failure.arrives) {
      const bearer =
        headers.get("Authorization")?.replace(/^Bearer /, "") ?? null;
      const cookie = withCookie ? browser.cookie : null;
      const asked = {
        ...request,
        token: bearer ?? cookie,
        isBearer: bearer !== null,
      };
      const differ = bearer && cookie && bearer !== cookie;
      reply = differ ? problem("credentials_differ") : respond(asked);
    }
    if (failure) {
      if (failure.code) reply = problem(failure.code, failure.extra);
      else if (failure.status) reply = { status: failure.status };
      else breaks();
    }
    if (reply.cookie !== undefined && withCookie && browser.keepsCookies) {
      browser.cookie = reply.cookie;
    }
    const answer =
      failure?.body ??
      (reply.body === undefined ? null : JSON.stringify(reply.body));
    return new Response(answer, {
      status: reply.status,
      headers: { Date: new Date(now()).toUTCString(), ...failure?.headers },
    });
  }

  /** Reject as soon as the signal says so, whatever a promise does. */
  function unlessAborted<T>(
    signal: AbortSignal | null | undefined,
    work: Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(new DOMException("Aborted", "AbortError"));
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
      work.then(resolve, reject);
    });
  }

  /** A browser with a cookie jar of its own; with `cookies` false it refuses every cookie. */
  function createBrowser({ cookies = true } = {}): FakeBrowser {
    const jar = { cookie: null as string | null, keepsCookies: cookies };
    return Object.assign(jar, {
      async fetch(
        input: string | URL | Request,
        init: RequestInit = {},
      ): Promise<Response> {
        const { method = "GET", headers, body, credentials, signal } = init;
        const work = exchange(
          jar,
          input instanceof Request ? input.url : String(input),
          {
            method,
            headers: new Headers(headers),
            body:
              typeof body === "string" ? (JSON.parse(body) as unknown) : body,
            withCookie: credentials !== "omit",
          },
        );
        return unlessAborted(signal, work);
      },

      async transport({
        url,
        headers,
        body,
        withCredentials,
        signal,
        onProgress,
      }) {
        try {
          const file = body.get("file") as File;
          const response = await unlessAborted(
            signal,
            (async () => {
              // As browsers do: a file that has changed on disk cannot be read.
              await file.slice(0, 1).arrayBuffer();
              await moved(file, onProgress);
              onProgress(file.size, file.size);
              const init = {
                method: "POST",
                headers: new Headers(headers),
                body,
              };
              return exchange(jar, url, {
                ...init,
                withCookie: withCredentials,
              });
            })(),
          );
          const header = (name: string) => response.headers.get(name);
          return {
            status: response.status,
            text: await response.text(),
            header,
          };
        } catch {
          throw new SessionError(signal.aborted ? "aborted" : "network");
        }
      },
    } satisfies Pick<FakeBrowser, "fetch" | "transport">);
  }

  /** Wait for the test to move a file, if it wants to. */
  function moved(
    file: File,
    onProgress: (sent: number, total: number) => void,
  ): Promise<void> {
    if (!server.stepwise) return Promise.resolve();
    return new Promise((finish) => {
      const progress = (sent: number) => onProgress(sent, file.size);
      transfers.push({ name: file.name, size: file.size, progress, finish });
    });
  }

  /** The session of a UUID, otherwise the newest. @throws Error if there is none */
  function get(uuid?: string): FakeSession {
    const session = sessions.filter((one) => !uuid || one.uuid === uuid).at(-1);
    if (!session) throw new Error("The fake server has no such session.");
    return session;
  }

  const server = {
    /** Every request so far, oldest first. */
    requests: requests as readonly FakeRequest[],
    /** Every session so far, oldest first. */
    sessions: sessions as readonly FakeSession[],
    /** Files on their way while `stepwise` is on, oldest first. */
    transfers: transfers as readonly FakeTransfer[],
    /** E-mails with codes, oldest first. */
    emails: emails as readonly { to: string; code: string }[],
    /** Whether nobody answers. */
    offline: false,
    /** Milliseconds by which the server's clock is ahead of the browser's. */
    ahead: 0,
    /** Whether uploads wait to be moved by the test; see `transfers`. */
    stepwise: false,

    browser: createBrowser,
    session: get,
    /** End a session, by default the newest, for a reason; the next request says so. */
    close(reason: ResetReason, uuid?: string): void {
      get(uuid).status = reason;
    },
    /** Forget a session's tokens, as after a purge: nothing is known of it any more. */
    forget: (uuid?: string) => get(uuid).tokens.clear(),
    /** A code by which support brings a session back. */
    issueRecoveryCode: (uuid?: string): string =>
      (get(uuid).recovery = newCode(3)),
    /** Put a file into a session, as another tab would have. */
    addFile: (name: string, size = 1000, uuid?: string) =>
      keep(get(uuid), name, size, null),
    /** Answer the next request that fits with this instead. */
    failNext: (failure: Failure = {}) => void failures.push(failure),
    /** Let requests that fit wait, as if the server were stuck, until they are released. */
    hold(which: Pick<Failure, "method" | "path"> = {}): Hold {
      let waiting = 0;
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const hold = {
        applies: (request: FakeRequest) =>
          fits(request, which) && ++waiting > 0,
        released,
      };
      holds.push(hold);
      return {
        get waiting() {
          return waiting;
        },
        release() {
          holds.splice(holds.indexOf(hold), 1);
          waiting = 0;
          release();
        },
      };
    },
  };

  const { fetch, transport } = createBrowser();
  return Object.assign(server, { fetch, transport });
}

export type FakeServer = ReturnType<typeof createFakeServer>;
