import type { Schemas } from "../api/http.js";
import type { paths } from "../api/schema.js";

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
  /** Whether its proof has ever come back. */
  used: boolean;
  successor: FakeSession | null;
  name: string;
  email: string;
  completedAt: number | null;
  consent: Record<string, Schemas["ConsentChange"]>;
  code: { text: string; expiresAt: number; tries: number } | null;
  recovery: string | null;
  /** Oldest first; `key` is the Idempotency-Key that one came with. */
  files: { upload: Schemas["Upload"]; key: string | null }[];
  /** Oldest first. */
  events: Schemas["Activity"][];
}

export interface FakeApiOptions {
  limits?: Partial<Schemas["Limits"]>;
  /** Milliseconds that a session lives without being seen; a day. */
  lifetime?: number;
  /** How many files and events one page of a list has; 100. */
  pageSize?: number;
}

/** A request as the API sees it. */
export interface Asked {
  method: string;
  /** Without `/api/v1/`. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
  token: string | null;
  isBearer: boolean;
}

export interface Reply {
  status: number;
  body?: object;
  /** What becomes of the cookie: a new proof, null for none, left out for no change. */
  cookie?: string | null;
}

/** The codes that the fake server answers with, and their status. */
const REFUSALS = {
  code_expired: 410,
  code_wrong: 400,
  content_mismatch: 422,
  credentials_differ: 401,
  database_unavailable: 503,
  direct_upload_unavailable: 501,
  email_missing: 409,
  file_empty: 400,
  file_held_back: 409,
  file_missing: 400,
  file_too_large: 413,
  idempotency_key_reused: 422,
  internal_error: 500,
  invalid_input: 400,
  mail_unavailable: 503,
  method_not_allowed: 405,
  not_found: 404,
  origin_not_allowed: 403,
  quota_exceeded: 409,
  rate_limited: 429,
  recovery_invalid: 401,
  session_header_required: 403,
  session_invalid: 401,
  session_mismatch: 401,
  session_required: 401,
  storage_unavailable: 503,
  type_not_allowed: 415,
  upload_in_progress: 409,
  upload_incomplete: 409,
  uuid_malformed: 400,
} as const;

export type RefusalCode = keyof typeof REFUSALS;

class Refusal extends Error {
  constructor(
    readonly code: RefusalCode,
    readonly extra: object = {},
  ) {
    super(code);
  }
}

/** A file that a browser has said it will send to the storage; its room is held until it is there. */
interface Announced {
  id: string;
  session: FakeSession;
  name: string;
  size: number;
  key: string | null;
  hasArrived: boolean;
}

/** Where the fake storage takes files; requests to it have the path `storage`. */
export const STORAGE = "https://storage.example/bucket";
export const STORAGE_PATH = "storage";

const MINUTE = 60_000;
const OVERLAP = 30_000;
const HEX = "0123456789abcdef";
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const random = (symbols: string, length: number) =>
  Array.from({ length }, () => symbols[Math.floor(Math.random() * symbols.length)]).join("");
const newUuid = () =>
  `${random(HEX, 8)}-${random(HEX, 4)}-4${random(HEX, 3)}-a${random(HEX, 3)}-${random(HEX, 12)}`;
/** A code in groups of four, as support reads them out. */
export const newCode = (groups: number) =>
  Array.from({ length: groups }, () => random(CROCKFORD, 4)).join("-");
const iso = (milliseconds: number) => new Date(milliseconds).toISOString();
function text(body: unknown, field: string): string {
  const value = (body as Record<string, unknown> | undefined)?.[field];
  return typeof value === "string" ? value : "";
}

/** The problem document of a code. */
export function problem(code: RefusalCode, extra: object = {}): Reply {
  const status = REFUSALS[code];
  const body: Schemas["InvalidInput"] = {
    type: `urn:maria:problem:${code}`,
    title: code,
    status,
    detail: `The fake server says ${code}.`,
    code,
    request_id: random(HEX, 32),
    ...extra,
  };
  return { status, body };
}

/**
 * What docs/api.md says, kept in memory: sessions, proofs, files and their history.
 *
 * @param now the server's time in milliseconds
 */
export function createFakeApi(options: FakeApiOptions, now: () => number) {
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
  const emails: { to: string; code: string }[] = [];
  const deleted = new Set<string>();
  let announced: Announced[] = [];

  // Sessions -------------------------------------------------------------------------------------

  function record(session: FakeSession, event: string, meaning: string, file = ""): void {
    const rest = { event_id: newUuid(), occurred_at: iso(now()), outcome: "success", who: "you" };
    session.events.push({ ...rest, event, meaning, file } as Schemas["Activity"]);
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

  const bytesOf = ({ files }: FakeSession) =>
    files.reduce((sum, { upload }) => sum + upload.size, 0);

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

  function toldWhole(session: FakeSession): Schemas["CurrentSession"] {
    const { name, email, consent, completedAt, files } = session;
    const known = name || email ? "identified" : "anonymous";
    return {
      ...told(session),
      last_seen_at: iso(session.lastSeenAt),
      used: { files: files.length, bytes: bytesOf(session) },
      identity: completedAt ? "completed" : known,
      name,
      email,
      completed_at: completedAt ? iso(completedAt) : null,
      consent,
    };
  }

  // Proofs ---------------------------------------------------------------------------------------

  /** Answer with a new token, in the body or in the cookie; those before are phased out. */
  function handOver(status: number, body: object, session: FakeSession, isBearer: boolean): Reply {
    const token = `mss1_${random(HEX, 40)}`;
    session.tokens.set(token, Infinity);
    return isBearer ? { status, body: { ...body, token } } : { status, body, cookie: token };
  }

  /** The session that a token proves, in whatever state; a live one is noted as seen. */
  function find(token: string | null): FakeSession | undefined {
    const session = sessions.find(({ tokens }) => token && (tokens.get(token) ?? 0) > now());
    if (session?.status !== "active") return session;
    if (session.expiresAt <= now()) {
      session.status = "expired";
      return session;
    }
    const isNewest = token === [...session.tokens.keys()].at(-1);
    for (const [older, until] of session.tokens) {
      const isOver = isNewest && older !== token && until === Infinity;
      if (isOver) session.tokens.set(older, now() + OVERLAP);
    }
    if (!session.used || now() - session.lastSeenAt >= MINUTE) {
      Object.assign(session, { used: true, lastSeenAt: now(), expiresAt: now() + lifetime });
    }
    return session;
  }

  function over(session: FakeSession): Refusal {
    const { status, supportCode } = session;
    const extra = { reason: status, support_code: supportCode, lost: lost(session) };
    return new Refusal("session_invalid", extra);
  }

  function prove(asked: Asked, ...accepted: FakeSession["status"][]): FakeSession {
    if (!asked.token) throw new Refusal("session_required");
    const session = find(asked.token);
    if (!session) throw new Refusal("session_invalid");
    if (!["active", ...accepted].includes(session.status)) throw over(session);
    const named = asked.headers.get("X-Session-UUID");
    if (!named && !asked.isBearer && asked.method !== "GET") {
      throw new Refusal("session_header_required");
    }
    if (named && named !== session.uuid) {
      throw new Refusal("session_mismatch", { support_code: session.supportCode });
    }
    return session;
  }

  // Endpoints for sessions -----------------------------------------------------------------------

  function create({ body, token }: Asked): Reply {
    const proven = find(token);
    if (proven?.status === "active") return { status: 200, body: told(proven) };
    const session = issue();
    return handOver(201, told(session), session, text(body, "credential") === "bearer");
  }

  function validate({ body, token }: Asked): Reply {
    const uuid = text(body, "uuid");
    const isSpeltWell = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
    if (!isSpeltWell) throw new Refusal("uuid_malformed");
    const proven = find(token);
    const status = proven?.uuid === uuid ? proven.status : "well_formed";
    return { status: 200, body: { uuid, status } satisfies Schemas["Validated"] };
  }

  function recover({ body }: Asked): Reply {
    const plain = (code: string | null) => code?.toUpperCase().replaceAll(/[\s-]/g, "");
    const typed = plain(text(body, "code"));
    const session = sessions.find(
      ({ recovery, status }) => status === "active" && plain(recovery) === typed,
    );
    if (!session) throw new Refusal("recovery_invalid");
    session.recovery = null;
    record(session, "SESSION_RECOVERED", "The session was brought back by a code from support.");
    return handOver(200, toldWhole(session), session, text(body, "credential") === "bearer");
  }

  function identify(asked: Asked): Reply {
    const session = prove(asked);
    const { consent, ...contact } = asked.body as Schemas["PatchedIdentifyRequest"];
    const { name = session.name, email = session.email } = contact;
    if (email && !/^\S+@\S+\.\S+$/.test(email)) {
      const detail = "Enter a valid email address.";
      throw new Refusal("invalid_input", { errors: { email: [{ code: "invalid", detail }] } });
    }
    const isAttached = (name && name !== session.name) || (email && email !== session.email);
    if (email !== session.email) session.completedAt = null;
    Object.assign(session, { name, email, consent: { ...session.consent, ...consent } });
    record(session, "SESSION_IDENTIFIED", "You said who you are.");
    return renewed(asked, session, Boolean(isAttached));
  }

  function renewed({ isBearer }: Asked, session: FakeSession, isRenewed: boolean): Reply {
    const body = toldWhole(session);
    return isRenewed ? handOver(200, body, session, isBearer) : { status: 200, body };
  }

  function sendCode(asked: Asked): Reply {
    const session = prove(asked);
    if (!session.email) throw new Refusal("email_missing");
    const expiresAt = now() + 10 * MINUTE;
    session.code = { text: random("0123456789", 6), expiresAt, tries: 0 };
    emails.push({ to: session.email, code: session.code.text });
    const body: Schemas["CodeSent"] = { expires_at: iso(expiresAt), next_in: 30 };
    return { status: 202, body };
  }

  function verifyCode(asked: Asked): Reply {
    const session = prove(asked);
    const { code, completedAt } = session;
    if (!code || code.tries >= 5 || code.expiresAt <= now()) throw new Refusal("code_expired");
    if (text(asked.body, "code") !== code.text) {
      throw new Refusal("code_wrong", { tries_left: 5 - ++code.tries });
    }
    session.completedAt ??= now();
    return renewed(asked, session, !completedAt);
  }

  function reset(asked: Asked): Reply {
    const session = prove(asked, "expired", "reset");
    const { successor } = session;
    if (successor && (successor.used || successor.status !== "active")) throw over(session);
    if (session.status === "active") session.status = "reset";
    const next = (session.successor = successor ?? issue());
    const reason = text(asked.body, "reason") || "requested";
    const previous = { uuid: session.uuid, reason, lost: lost(session) };
    const body: Schemas["Successor"] = { ...told(next), previous };
    return handOver(201, body, next, asked.isBearer);
  }

  function end(asked: Asked): Reply {
    const session = prove(asked, "expired");
    const isErased = asked.query.get("erase") === "true";
    if (!isErased && session.status !== "active") throw over(session);
    session.status = isErased ? "erased" : "ended";
    if (isErased) {
      session.tokens.clear();
      Object.assign(session, { name: "", email: "", completedAt: null, consent: {}, files: [] });
    }
    return { status: 204, cookie: null };
  }

  function assertion(asked: Asked): Reply {
    const signed = `${prove(asked).uuid}:${random(HEX, 32)}`;
    const expires_at = iso(now() + 5 * MINUTE);
    const body: Schemas["IssuedAssertion"] = { assertion: signed, expires_at };
    return { status: 200, body };
  }

  function exportData(asked: Asked): Reply {
    const session = prove(asked);
    const files = session.files.map(({ upload }) => upload);
    return { status: 200, body: { session: toldWhole(session), files, events: session.events } };
  }

  function activity(asked: Asked): Reply {
    const events = [...prove(asked).events].reverse();
    const body: Schemas["PaginatedActivityList"] = page(asked, events);
    return { status: 200, body };
  }

  function page<T>({ path, query }: Asked, items: T[]) {
    const start = Number(query.get("cursor") ?? 0);
    const next = start + pageSize;
    // A host that only proxies know.
    const address = `http://backend.internal/api/v1/${path}?cursor=`;
    return {
      results: items.slice(start, next),
      next: next < items.length ? address + next : null,
      previous: start ? address + Math.max(0, start - pageSize) : null,
    };
  }

  // Endpoints for files --------------------------------------------------------------------------

  function store(asked: Asked): Reply {
    const session = prove(asked);
    const file = asked.body instanceof FormData ? asked.body.get("file") : null;
    if (!(file instanceof File)) throw new Refusal("file_missing");
    const { name, size } = file;
    const key = asked.headers.get("Idempotency-Key");
    const earlier = session.files.find((known) => key && known.key === key)?.upload;
    if (earlier?.name === name && earlier.size === size) return { status: 201, body: earlier };
    if (earlier) throw new Refusal("idempotency_key_reused");
    judge(session, name, size);
    return { status: 201, body: keep(session, name, size, key) };
  }

  function judge(session: FakeSession, name: string, size: number): void {
    const { max_files, max_file_bytes, max_total_bytes, types } = limits;
    if (!size) throw new Refusal("file_empty");
    if (size > max_file_bytes) throw new Refusal("file_too_large", { max_file_bytes });
    const isAllowed = types.some((type) => name.toLowerCase().endsWith(`.${type}`));
    if (!isAllowed) throw new Refusal("type_not_allowed", { types });
    const coming = announced.filter((one) => one.session === session);
    const bytes = coming.reduce((sum, one) => sum + one.size, bytesOf(session) + size);
    const isFull = session.files.length + coming.length >= max_files || bytes > max_total_bytes;
    if (isFull) throw new Refusal("quota_exceeded");
  }

  /** Put a file into a session. */
  function keep(
    session: FakeSession,
    name: string,
    size: number,
    key: string | null,
    id = newUuid(),
  ) {
    const upload: Schemas["Upload"] = {
      id,
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

  /** Say where a file can be sent to the storage. */
  function announce(asked: Asked): Reply {
    const session = prove(asked);
    if (!limits.direct_upload) throw new Refusal("direct_upload_unavailable");
    const { name, size } = asked.body as Schemas["AnnouncedFileRequest"];
    const key = asked.headers.get("Idempotency-Key");
    let file = announced.find((one) => key && one.key === key && one.session === session);
    if (!file) {
      judge(session, name, size);
      file = { id: newUuid(), session, name, size, key, hasArrived: false };
      announced.push(file);
    }
    const { id } = file;
    const upload = { url: STORAGE, fields: { key: id }, expires_at: iso(now() + 10 * MINUTE) };
    const body: Schemas["DirectUpload"] = { id, upload };
    return { status: 201, body };
  }

  /** What the storage does with a form: it takes exactly the file that was announced. */
  function receive({ body }: Asked): Reply {
    const form = body instanceof FormData ? body : new FormData();
    const file = form.get("file");
    const expected = announced.find(({ id }) => id === form.get("key"));
    if (!expected || !(file instanceof File) || file.size !== expected.size) return { status: 403 };
    expected.hasArrived = true;
    return { status: 204 };
  }

  function complete(asked: Asked): Reply {
    const session = prove(asked);
    const file = announced.find(({ id }) => id === idOf(asked));
    if (file?.session !== session) return { status: 200, body: named(asked) };
    if (!file.hasArrived) throw new Refusal("upload_incomplete");
    announced = announced.filter((one) => one !== file);
    return { status: 200, body: keep(session, file.name, file.size, file.key, file.id) };
  }

  function listFiles(asked: Asked): Reply {
    const uploads = prove(asked).files.map(({ upload }) => upload);
    const body: Schemas["PaginatedUploadList"] = page(asked, uploads.reverse());
    return { status: 200, body };
  }

  const idOf = ({ path }: Asked) => path.split("/")[1];

  /** The file that a path names. */
  function named(asked: Asked): Schemas["Upload"] {
    const file = prove(asked).files.find(({ upload }) => upload.id === idOf(asked));
    if (!file) throw new Refusal("not_found");
    return file.upload;
  }

  function remove(asked: Asked): Reply {
    const session = prove(asked);
    if (deleted.has(asked.path)) return { status: 204 };
    const coming = announced.find(({ id }) => id === idOf(asked));
    if (coming?.session === session) {
      announced = announced.filter((one) => one !== coming);
      deleted.add(asked.path);
      return { status: 204 };
    }
    const gone = named(asked);
    deleted.add(asked.path);
    session.files = session.files.filter(({ upload }) => upload !== gone);
    record(session, "FILE_DELETED", "A file was deleted.", gone.name);
    return { status: 204 };
  }

  function link(asked: Asked): Reply {
    const url = `/api/v1/uploads/${named(asked).id}/download/?link=${random(HEX, 16)}`;
    const body: Schemas["Link"] = { url, expires_at: iso(now() + MINUTE) };
    return { status: 200, body };
  }

  // ----------------------------------------------------------------------------------------------

  type Methods = Partial<Record<string, (asked: Asked) => Reply>>;

  const endpoints: Partial<Record<keyof paths, Methods>> = {
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
    "/api/v1/uploads/{id}/": {
      GET: (asked) => ({ status: 200, body: named(asked) }),
      DELETE: remove,
    },
    "/api/v1/uploads/{id}/link/": { POST: link },
    "/api/v1/uploads/direct/": { POST: announce },
    "/api/v1/uploads/{id}/complete/": { POST: complete },
  };

  /** Answer a request, never by throwing. */
  function respond(asked: Asked): Reply {
    if (asked.path === STORAGE_PATH) return receive(asked);
    const place = asked.path.replace(/^uploads\/(?!direct\/)[^/]+\//, "uploads/{id}/");
    const methods = endpoints[`/api/v1/${place}` as keyof paths];
    try {
      if (!methods) throw new Refusal("not_found");
      const endpoint = methods[asked.method];
      if (!endpoint) throw new Refusal("method_not_allowed");
      return endpoint(asked);
    } catch (thrown) {
      if (thrown instanceof Refusal) return problem(thrown.code, thrown.extra);
      throw thrown;
    }
  }

  return { sessions, emails, keep, respond };
}
