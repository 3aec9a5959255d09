import type { CredentialStore } from "../utils/sessionUtils.js";
import type { components } from "./schema.js";

/** The documents of the API, as its OpenAPI schema names them. */
export type Schemas = components["schemas"];

/** An answer as it arrived, by whichever means it was fetched. */
export interface Answer {
  status: number;
  text: string;
  header(name: string): string | null;
}

/** What the server adds to some refusals; see the table of codes in the API's documentation. */
export interface Problem {
  code: string;
  detail: string;
  request_id: string;
  reason: ResetReason;
  support_code: string;
  lost: Schemas["Lost"];
  tries_left: number;
  max_file_bytes: number;
  types: string[];
  errors: NonNullable<Schemas["InvalidInput"]["errors"]>;
}

/** Why a session is over. */
export type ResetReason = "expired" | "reset" | "ended" | "revoked";

/**
 * A request that did not succeed.
 *
 * `code` is the server's code, or one of ours: `network` (nobody answered), `timeout` (nobody
 * answered in time), `unreadable` (an answer that is not the API's: a proxy's page, cut JSON),
 * `aborted`, `file_changed`. `status` is 0 where there was no answer; `retryAfter` counts seconds.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";

  constructor(
    readonly code: string,
    readonly status = 0,
    readonly problem: Partial<Problem> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail || code);
  }

  /** Whether this is the weather, not a refusal: the same request may succeed later. */
  get isTransient(): boolean {
    return (
      this.status === 429 ||
      this.status >= 500 ||
      ["network", "timeout", "unreadable"].includes(this.code)
    );
  }
}

/** What went wrong, always as a `SessionError`. */
export const asSessionError = (error: unknown): SessionError =>
  error instanceof SessionError ? error : new SessionError("network", 0, { detail: String(error) });

/** Seconds to wait as `Retry-After` says them (RFC 9110: a number or a date); null for no wait. */
const retryAfter = (text: string | null): number | null =>
  Math.max(0, Number(text) || (Date.parse(text ?? "") - Date.now()) / 1000) || null;

/**
 * The document of a good answer, `undefined` for one without a body.
 *
 * @throws SessionError for a refusal, and for what cannot have come from the API. Only a problem
 * document with a code counts as the API's own word: a proxy's 401 ends no session.
 */
export function readAnswer(answer: Answer): unknown {
  const { status, text } = answer;
  let document: unknown;
  try {
    document = text ? JSON.parse(text) : undefined;
  } catch {
    // Not ours; told below.
  }
  const isGood = status >= 200 && status < 300;
  if (isGood && (status === 204 || document instanceof Object)) return document;
  const problem = (document ?? {}) as Partial<Problem>;
  const code = (!isGood && problem.code) || (status === 413 ? "file_too_large" : "unreadable");
  throw new SessionError(code, status, problem, retryAfter(answer.header("Retry-After")));
}

export interface HttpOptions {
  /** Where the API is: a path of the same host, or an absolute URL. */
  baseUrl: string;
  fetch: typeof globalThis.fetch;
  /** Milliseconds after which a request without an answer is given up. */
  timeout: number;
  /** Given, the proof is a bearer token kept here; otherwise the browser's cookie. */
  credentials: CredentialStore | undefined;
}

/** The one way to the API: it carries the proof, keeps renewed tokens, and knows the server's time. */
export interface Http {
  readonly baseUrl: string;
  /** How a new session's proof is to be carried. */
  credential(): Schemas["CredentialEnum"];
  /** From now on carry the proof as a bearer token kept in `store`. */
  useBearer(store: CredentialStore): void;
  /** Forget a bearer token; a cookie is the server's to forget. */
  forget(): unknown;
  /** The headers that prove the session and name it; `key` makes it safe to repeat the request. */
  headers(uuid?: string | null, key?: string): Promise<Record<string, string>>;
  /** @throws SessionError */
  send<T>(
    method: string,
    path: string,
    uuid?: string | null,
    body?: unknown,
    key?: string,
  ): Promise<T>;
  /** The server's time in milliseconds, as far as its answers let it be known. */
  now(): number;
}

const JSON_BODY = { "Content-Type": "application/json" };

export function createHttp({ baseUrl, fetch, timeout, credentials }: HttpOptions): Http {
  let ahead = 0;

  async function headers(uuid?: string | null, key?: string): Promise<Record<string, string>> {
    const token = await credentials?.get();
    return {
      ...(uuid && { "X-Session-UUID": uuid }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(key && { "Idempotency-Key": key }),
    };
  }

  return {
    baseUrl,
    headers,
    credential: () => (credentials ? "bearer" : "cookie"),
    useBearer: (store) => {
      credentials = store;
    },
    forget: () => credentials?.set(null),
    now: () => Date.now() + ahead,

    async send<T>(
      method: string,
      path: string,
      uuid?: string | null,
      body?: unknown,
      key?: string,
    ) {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), timeout);
      try {
        const response = await fetch(baseUrl + path, {
          method,
          cache: "no-store",
          credentials: credentials ? "omit" : "include",
          headers: { ...(await headers(uuid, key)), ...(body ? JSON_BODY : {}) },
          body: JSON.stringify(body), // Without one this is undefined.
          signal: abort.signal,
        });
        const header = (name: string) => response.headers.get(name);
        const date = Date.parse(header("Date") ?? "");
        if (date) ahead = date - Date.now();
        const document = readAnswer({
          status: response.status,
          text: await response.text(),
          header,
        }) as T;
        const { token } = (document ?? {}) as { token?: string };
        if (token) await credentials?.set(token);
        return document;
      } catch (error) {
        throw abort.signal.aborted ? new SessionError("timeout") : asSessionError(error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
