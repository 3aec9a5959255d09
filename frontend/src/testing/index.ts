import { SessionError } from "../api/http.js";
import type { Answer, ResetReason } from "../api/http.js";
import type { Transport, TransportRequest } from "../api/uploadApi.js";
import { createFakeApi } from "./fakeApi.js";
import type { FakeApiOptions, FakeSession } from "./fakeSessions.js";
import { STORAGE, STORAGE_PATH } from "./directUploads.js";
import { randomHex, randomRecoveryCode } from "./random.js";
import type { RefusalCode, Reply } from "./refusals.js";

export type { FakeSession } from "./fakeSessions.js";
export type { RefusalCode } from "./refusals.js";
export type FakeServerOptions = FakeApiOptions;

export interface FakeRequest {
  method: string;
  /** Without `/api/v1/`, like `sessions/current/`. `storage` for requests to the storage. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  /** A value for JSON, a text for what is no JSON, a FormData for a form, undefined without a body. */
  body: unknown;
}

/** Which requests match. A missing field matches all. */
export interface Which {
  method?: string | undefined;
  path?: string | undefined;
}

/** How a request fails. Without `code` and `status` the connection breaks. */
export interface Failure extends Which {
  /** Answer with the problem document of this code. */
  code?: RefusalCode | undefined;
  extra?: object | undefined;
  /** The HTTP status, if there is no code. */
  status?: number | undefined;
  /** The raw body: a proxy's page, truncated JSON. */
  body?: string | undefined;
  headers?: Record<string, string> | undefined;
  /** The server executes the request; only the response is replaced or lost. */
  arrives?: boolean | undefined;
}

/** Requests that wait for `release()`. */
export interface Hold {
  /** How many requests have waited. */
  readonly count: number;
  /** Continue all of them, and stop no more. */
  release(): void;
}

/** A file that is being sent, under the control of the test. */
export interface FakeTransfer {
  readonly name: string;
  readonly size: number;
  progress(sent: number): void;
  finish(): void;
}

/** A browser with its own cookie. */
export interface FakeBrowser {
  fetch: typeof globalThis.fetch;
  transport: Transport;
  /** The session cookie, or null. Tests may change it. */
  cookie: string | null;
}

interface Jar {
  cookie: string | null;
  readonly keepsCookies: boolean;
}

interface Sent {
  url: string;
  method: string;
  headers: Headers;
  body: unknown;
  withCookie: boolean;
}

const PREFIX = "/api/v1/";

const matches = (request: FakeRequest, { method, path }: Which) =>
  (!method || request.method === method) && (!path || request.path === path);

/** The JSON document in a text, or the text itself if it is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Settle like `work`, or reject when the signal aborts. */
function unlessAborted<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DOMException("Aborted", "AbortError"));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    work.then(resolve, reject);
  });
}

/**
 * A server for unit tests. It keeps sessions and files in memory and answers like the API.
 *
 * Pass `fetch` to the `options` of `SessionProvider` and `transport` to its `uploads`: they belong
 * to one browser. `browser()` creates more. It has no network and no timers, and two servers share
 * nothing. The README lists what it does not imitate, and why.
 */
export function createFakeServer(options: FakeServerOptions = {}) {
  const requests: FakeRequest[] = [];
  const failures: Failure[] = [];
  const holds: { which: Which; seen: () => void; released: Promise<void> }[] = [];
  const transfers: FakeTransfer[] = [];
  const now = () => Date.now() + server.ahead;
  const { state, emails, keep, respond, refuse } = createFakeApi(options, now);
  const { sessions, record } = state;

  /** Handle one request as the test has configured it. @throws TypeError if the connection breaks */
  async function exchange(jar: Jar, { url, withCookie, ...sent }: Sent): Promise<Response> {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const path = url.startsWith(STORAGE)
      ? STORAGE_PATH
      : pathname.slice(pathname.indexOf(PREFIX) + PREFIX.length);
    const request: FakeRequest = { ...sent, path, query: searchParams };
    requests.push(request);
    for (const hold of holds.filter(({ which }) => matches(request, which))) {
      hold.seen();
      await hold.released;
    }
    const index = failures.findIndex((which) => matches(request, which));
    const [failure] = index < 0 ? [] : failures.splice(index, 1);
    const doesArrive = !server.offline && (!failure || failure.arrives);
    const done = doesArrive ? execute(request, withCookie ? jar.cookie : null) : undefined;
    const reply = failure ? failureReply(request, failure) : done;
    if (server.offline || !reply) throw new TypeError("Failed to fetch");
    const { cookie } = reply;
    if (cookie !== undefined && withCookie && jar.keepsCookies) jar.cookie = cookie;
    return response(request, reply, failure);
  }

  /** Only an answer of the API has the API's headers. */
  function response({ method }: FakeRequest, reply: Reply, failure?: Failure): Response {
    const { status, body, headers } = reply;
    const text = failure?.body ?? (body ? JSON.stringify(body) : null);
    const { request_id = randomHex(32) } = (body ?? {}) as { request_id?: string };
    const isFromApi = !failure || failure.code !== undefined;
    return new Response(method === "HEAD" ? null : text, {
      status,
      headers: {
        Date: new Date(now()).toUTCString(),
        ...(isFromApi && { "Cache-Control": "no-store", "X-Request-ID": request_id }),
        ...(isFromApi && body && { "Content-Type": "application/json" }),
        ...headers,
        ...failure?.headers,
      },
    });
  }

  function execute(request: FakeRequest, cookie: string | null): Reply {
    const [, bearer = null] =
      /^bearer (.*)$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
    return respond({ ...request, cookie, bearer });
  }

  function failureReply(request: FakeRequest, { code, extra, status }: Failure): Reply | undefined {
    if (code) return refuse(request, code, extra);
    return status ? { status } : undefined;
  }

  /** Wait for the test to finish the transfer, if `stepwise` is set. */
  function transferred({ name, size }: File, { onProgress }: TransportRequest): Promise<void> {
    if (!server.stepwise) return Promise.resolve();
    const progress = (sent: number) => onProgress(sent, size);
    return new Promise((finish) => transfers.push({ name, size, progress, finish }));
  }

  async function post(jar: Jar, request: TransportRequest): Promise<Answer> {
    const { url, body, withCredentials, onProgress } = request;
    const file = body.get("file") as File;
    await file.slice(0, 1).arrayBuffer(); // Fails if the file has changed on disk.
    await transferred(file, request);
    request.signal.throwIfAborted();
    onProgress(file.size, file.size);
    const headers = new Headers(request.headers);
    const sent = { url, method: "POST", headers, body, withCookie: withCredentials };
    const response = await exchange(jar, sent);
    const header = (name: string) => response.headers.get(name);
    return { status: response.status, text: await response.text(), header };
  }

  /** Create a browser. With `cookies: false` it refuses cookies. */
  function browser({ cookies = true } = {}): FakeBrowser {
    const jar: Jar = { cookie: null, keepsCookies: cookies };
    return Object.assign(jar, {
      fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
        const { method = "GET", body, credentials, signal } = init;
        const sent: Sent = {
          url: input instanceof Request ? input.url : String(input),
          method,
          headers: new Headers(init.headers),
          body: typeof body === "string" ? parsed(body) : (body ?? undefined),
          withCookie: credentials !== "omit",
        };
        return unlessAborted(signal, exchange(jar, sent));
      },

      async transport(request: TransportRequest): Promise<Answer> {
        const { signal } = request;
        try {
          return await unlessAborted(signal, post(jar, request));
        } catch {
          throw new SessionError(signal.aborted ? "aborted" : "network");
        }
      },
    });
  }

  /** The session with this UUID, or the newest one. @throws Error if there is none */
  function session(uuid?: string): FakeSession {
    const found = sessions.filter((one) => !uuid || one.uuid === uuid).at(-1);
    if (!found) throw new Error("The fake server has no such session.");
    return found;
  }

  const server = {
    /** All requests, oldest first, including failed ones. */
    requests: requests as readonly FakeRequest[],
    sessions: sessions as readonly FakeSession[],
    /** All codes sent by e-mail, oldest first. */
    emails: emails as readonly { to: string; code: string }[],
    /** Files that wait because of `stepwise`, oldest first. */
    transfers: transfers as readonly FakeTransfer[],
    /** Whether transfers wait for the test to move them. */
    stepwise: false,
    /** Whether every connection breaks. */
    offline: false,
    /** Milliseconds that the server's clock is ahead of the browser's. */
    ahead: 0,

    browser,
    session,
    /** End a session. Default: the newest. */
    close(reason: ResetReason, uuid?: string): void {
      session(uuid).status = reason;
    },
    forget: (uuid?: string): void => session(uuid).tokens.clear(),
    issueRecoveryCode(uuid?: string): string {
      record(session(uuid), "session.recovery_issued", "", "support staff");
      return (session(uuid).recovery = randomRecoveryCode());
    },
    /** Store a file in a session, as another tab would. */
    addFile: (name: string, size = 1000, uuid?: string) => keep(session(uuid), name, size, null),
    /** Make the next matching request fail. Several failures are used in order. */
    failNext(failure: Failure = {}): void {
      failures.push(failure);
    },
    /** Make matching requests wait before they reach the server. */
    hold(which: Which = {}): Hold {
      let count = 0;
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const hold = { which, seen: () => count++, released };
      holds.push(hold);
      return {
        get count() {
          return count;
        },
        release() {
          holds.splice(holds.indexOf(hold), 1);
          release();
        },
      };
    },
  };

  const own = browser();
  return Object.assign(server, { own, fetch: own.fetch, transport: own.transport });
}

export type FakeServer = ReturnType<typeof createFakeServer>;
