import type { SessionStoreOptions } from "../store/sessionState.js";
import { memoryCredentials, type CredentialStore } from "../utils/sessionUtils.js";
import { later, limited, SECOND } from "../utils/time.js";
import { fits, problemOf, type Shape } from "./checks.js";
import type { components } from "./schema.js";

/** The types of the API's documents, by their names in the OpenAPI schema. */
export type Schemas = components["schemas"];

/** Every field may be missing or undefined, also for `exactOptionalPropertyTypes`. */
export type Optional<T> = { [Name in keyof T]?: T[Name] | undefined };

/** A response, from `fetch` or XMLHttpRequest. */
export interface Answer {
  status: number;
  text: string;
  header(name: string): string | null;
}

/** The server's problem document. docs/api.md lists the extra fields of each code. */
export interface Problem {
  code: string;
  detail: string;
  request_id: string;
  reason: ResetReason;
  support_code: string;
  lost: Schemas["Lost"];
  tries_left: number;
  max_file_bytes: number;
  max_files: number;
  types: string[];
  errors: NonNullable<Schemas["InvalidInput"]["errors"]>;
}

export type ResetReason = "expired" | "reset" | "ended" | "revoked";

/**
 * A request that failed.
 *
 * `code` is the server's error code, or a code of this package: `network` (no connection), `timeout`,
 * `unreadable` (not the API's response: a proxy's page, truncated JSON), `aborted`,
 * `file_changed`, `credential_store` (the page's credential store failed). `status` is 0 without a response. `retryAfter` is in seconds.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";

  constructor(
    readonly code: string,
    readonly status = 0,
    readonly problem: Optional<Problem> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail || code);
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    return (
      this.status === 429 ||
      this.status >= 500 ||
      ["network", "timeout", "unreadable"].includes(this.code)
    );
  }
}

/** Whether it is worth asking if the server can be reached at all. */
export const mayBeAway = ({ isTransient, status }: SessionError) => isTransient && status !== 429;

export const asSessionError = (error: unknown): SessionError =>
  error instanceof SessionError ? error : new SessionError("network", 0, { detail: String(error) });

/** Wait for what another context does, such as a server or a keychain. @throws SessionError */
export const within = <T>(milliseconds: number, work: () => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = later(milliseconds, () => reject(new SessionError("timeout")));
    void work()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });

/** Parse `Retry-After` (RFC 9110: seconds or a date). Null if there is no wait. */
function retryAfter(text: string | null): number | null {
  const wait = SECOND * Number(text) || Date.parse(String(text)) - Date.now();
  return wait > 0 ? limited(wait) / SECOND : null;
}

/**
 * Return the document of a successful response, or `undefined` if it has no body (status 204, 304).
 *
 * Only a problem document with a code comes from the API. A proxy's 401 does not end a session.
 *
 * @throws SessionError for a refusal, and for an answer of another shape, such as a login page
 */
export function readAnswer(
  shape: Shape,
  status: number,
  text: string,
  wait: string | null,
): unknown {
  const isEmpty = status === 204 || status === 304;
  let document: unknown = null;
  try {
    document = isEmpty ? undefined : JSON.parse(text);
  } catch {
    // Reported as `unreadable` below.
  }
  const isGood = isEmpty || /^2/.test(String(status));
  if (isGood && fits(document, shape)) return document;
  const problem = isGood ? {} : problemOf(document);
  const code = problem.code || (status === 413 ? "file_too_large" : "unreadable");
  throw new SessionError(code, status, problem, retryAfter(wait));
}

type HttpOptions = Pick<SessionStoreOptions, "baseUrl" | "credentialStore" | "fetch" | "timeout">;

/** What a request has beyond its method and path. */
export interface RequestOptions {
  /** The UUID of the session that the request is about. */
  uuid?: string | null | undefined;
  body?: object | undefined;
  /** The Idempotency-Key. */
  key?: string | undefined;
  /** The revision that the page has. */
  known?: string | null | undefined;
  /** Ends the request, which then fails with `aborted`. */
  signal?: AbortSignal | undefined;
}

/** The HTTP client of the API. It sends the proof, stores new tokens and knows the server's time. */
export interface Http {
  readonly baseUrl: string;
  credential(): Schemas["CredentialEnum"];
  /** From now on use a bearer token, in memory. */
  toMemory(): void;
  /** Delete the bearer token. Only the server can delete the cookie. */
  forget(): void;
  /** The headers with proof and UUID. `key` is the Idempotency-Key. */
  headers(uuid?: string | null, key?: string): Promise<Record<string, string>>;
  /** Return the document of the answer, which must have the shape. @throws SessionError */
  send<T>(shape: Shape, method: string, path: string, options?: RequestOptions): Promise<T>;
  /** The server's time in milliseconds, from the `Date` of its last response. */
  now(): number;
}

export function createHttp({
  baseUrl: address = "/api/v1/",
  fetch,
  timeout = 15 * SECOND,
  credentialStore: credentials,
}: HttpOptions): Http {
  const baseUrl = address.replace(/\/*$/, "/");
  let ahead = 0;
  /** A token that the store has not kept yet. Without it the next request would make a new session. */
  let unsaved: string | null | undefined;
  /** The token that this page has read or stored last. */
  let known: string | null | undefined;

  /** Use the page's credential store, which may fail or never answer. */
  const withStore = async <T>(action: (store: CredentialStore) => T | Promise<T>) =>
    credentials &&
    within(timeout, async () => action(credentials as CredentialStore)).catch(() => {
      throw new SessionError("credential_store");
    });

  async function save(token: string | null): Promise<void> {
    unsaved = token;
    await withStore((store) => store.set(token));
    known = token;
    unsaved = undefined;
  }

  async function headers(uuid?: string | null, key?: string): Promise<Record<string, string>> {
    let token = await withStore((store) => store.get());
    // Unless another tab has stored a newer one.
    if (unsaved && token === known) await save((token = unsaved));
    known = token;
    unsaved = undefined;
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
    toMemory() {
      credentials = memoryCredentials();
    },
    forget() {
      save(null).catch(() => 0); // The token has ended.
    },
    now: () => Date.now() + ahead,

    async send<T>(
      shape: Shape,
      method: string,
      path: string,
      { uuid, body, key, known, signal }: RequestOptions = {},
    ) {
      const proof = await headers(uuid, key);
      const abort = new AbortController();
      const end = () => abort.abort();
      try {
        signal?.throwIfAborted();
        signal?.addEventListener("abort", end);
        const document = await within(timeout, async () => {
          // The page may replace the global one at any time.
          const response = await (fetch ?? globalThis.fetch)(baseUrl + path, {
            method,
            cache: "no-store",
            credentials: credentials ? "omit" : "include",
            headers: {
              ...proof,
              ...(body && { "Content-Type": "application/json" }),
              ...(known && { "If-None-Match": `"${known}"` }),
            },
            body: JSON.stringify(body), // Without one this is undefined.
            signal: abort.signal,
          });
          const { status, headers } = response;
          const date = Date.parse(String(headers.get("Date")));
          if (date) ahead = date - Date.now();
          return readAnswer(shape, status, await response.text(), headers.get("Retry-After"));
        });
        const token = (document as { token?: string | null } | undefined)?.token;
        if (token) await save(token);
        return document as T;
      } catch (error) {
        throw signal?.aborted ? new SessionError("aborted") : asSessionError(error);
      } finally {
        signal?.removeEventListener("abort", end);
        end(); // Nobody waits for its answer any more.
      }
    },
  };
}
