import { SessionError } from "../api/http.js";
import type { Answer, ResetReason } from "../api/http.js";
import type { Transport, TransportRequest } from "../api/uploadApi.js";
import { createFakeApi } from "./fakeApi.js";
import type { FakeApiOptions, FakeSession } from "./fakeSessions.js";
import { randomCode } from "./random.js";
import { problem, type RefusalCode, type Reply } from "./refusals.js";
import { STORAGE, STORAGE_PATH } from "./uploadEndpoints.js";

export type { FakeSession } from "./fakeSessions.js";
export type { RefusalCode } from "./refusals.js";
export type FakeServerOptions = FakeApiOptions;

/** One request as it was sent, for tests to look at. */
export interface FakeRequest {
  method: string;
  /** Without the API's prefix, like `sessions/current/`; `storage` for what goes to the storage. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  /** JSON as an object, a form as it is, nothing as undefined. */
  body: unknown;
}

/** Which requests are meant; what is left out may be anything. */
export interface Which {
  method?: string;
  /** Like `sessions/current/`. */
  path?: string;
}

/** What becomes of a request instead of what the API would do. */
export interface Failure extends Which {
  /** One of the API's codes, answered as its problem document. */
  code?: RefusalCode;
  /** Fields that the problem document has beside the usual ones. */
  extra?: object;
  /** Without a code: the answer's status. Without either the connection breaks. */
  status?: number;
  /** The answer's body, word for word: a proxy's page, cut JSON. */
  body?: string;
  headers?: Record<string, string>;
  /** The server does its work; only its answer is replaced, or lost. */
  arrives?: boolean;
}

/** Requests that wait until they are let go. */
export interface Hold {
  /** How many have waited. */
  readonly count: number;
  /** Let them go on, and hold no more. */
  release(): void;
}

/** A file on its way, moved by the test. */
export interface FakeTransfer {
  readonly name: string;
  readonly size: number;
  /** Report so many bytes as sent. */
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

const fits = (request: FakeRequest, { method, path }: Which) =>
  (!method || request.method === method) && (!path || request.path === path);

/** Settle as the work does, or reject as soon as the signal says so. */
function unlessAborted<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DOMException("Aborted", "AbortError"));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    work.then(resolve, reject);
  });
}

/**
 * A server for unit tests: it keeps sessions and files in memory and answers as the API does.
 *
 * Give `fetch` to `SessionProvider`'s `options` and `transport` to its `uploads`: they are those of
 * one browser; `browser()` makes more. No network, no timers, nothing shared between two servers.
 * What it does not do: limit rates (see `failNext`), look into files, serve their bytes.
 */
export function createFakeServer(options: FakeServerOptions = {}) {
  const requests: FakeRequest[] = [];
  const failures: Failure[] = [];
  const holds: { which: Which; seen: () => void; released: Promise<void> }[] = [];
  const transfers: FakeTransfer[] = [];
  const now = () => Date.now() + server.ahead;
  const { sessions, emails, keep, respond } = createFakeApi(options, now);

  /** Take a request through all that a test has asked for. @throws TypeError if nobody answers */
  async function exchange(jar: Jar, { url, withCookie, ...sent }: Sent): Promise<Response> {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const path = url.startsWith(STORAGE)
      ? STORAGE_PATH
      : pathname.slice(pathname.indexOf(PREFIX) + PREFIX.length);
    const request: FakeRequest = { ...sent, path, query: searchParams };
    requests.push(request);
    for (const hold of holds.filter(({ which }) => fits(request, which))) {
      hold.seen();
      await hold.released;
    }
    const index = failures.findIndex((which) => fits(request, which));
    const [failure] = index < 0 ? [] : failures.splice(index, 1);
    const doesArrive = !server.offline && (!failure || failure.arrives);
    const done = doesArrive ? work(request, withCookie ? jar.cookie : null) : undefined;
    const reply = failure ? instead(failure) : done;
    if (server.offline || !reply) throw new TypeError("Failed to fetch");
    const { cookie } = reply;
    if (cookie !== undefined && withCookie && jar.keepsCookies) jar.cookie = cookie;
    const body = failure?.body ?? (reply.body ? JSON.stringify(reply.body) : null);
    const headers = { Date: new Date(now()).toUTCString(), ...failure?.headers };
    return new Response(body, { status: reply.status, headers });
  }

  function work(request: FakeRequest, cookie: string | null): Reply {
    const bearer = request.headers.get("Authorization")?.replace(/^Bearer /, "") ?? null;
    if (bearer && cookie && bearer !== cookie) return problem("credentials_differ");
    return respond({ ...request, token: bearer ?? cookie, isBearer: bearer !== null });
  }

  function instead({ code, extra, status }: Failure): Reply | undefined {
    if (code) return problem(code, extra);
    return status ? { status } : undefined;
  }

  /** Wait for the test to move a file, if it wants to. */
  function moved({ name, size }: File, { onProgress }: TransportRequest): Promise<void> {
    if (!server.stepwise) return Promise.resolve();
    const progress = (sent: number) => onProgress(sent, size);
    return new Promise((finish) => transfers.push({ name, size, progress, finish }));
  }

  async function post(jar: Jar, request: TransportRequest): Promise<Answer> {
    const { url, body, withCredentials, onProgress } = request;
    const file = body.get("file") as File;
    await file.slice(0, 1).arrayBuffer(); // A file that has changed on disk cannot be read.
    await moved(file, request);
    request.signal.throwIfAborted();
    onProgress(file.size, file.size);
    const headers = new Headers(request.headers);
    const sent = { url, method: "POST", headers, body, withCookie: withCredentials };
    const response = await exchange(jar, sent);
    const header = (name: string) => response.headers.get(name);
    return { status: response.status, text: await response.text(), header };
  }

  /** A browser with a cookie jar of its own; with `cookies` false it refuses every cookie. */
  function browser({ cookies = true } = {}): FakeBrowser {
    const jar: Jar = { cookie: null, keepsCookies: cookies };
    return Object.assign(jar, {
      fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
        const { method = "GET", body, credentials, signal } = init;
        const sent: Sent = {
          url: input instanceof Request ? input.url : String(input),
          method,
          headers: new Headers(init.headers),
          body: typeof body === "string" ? (JSON.parse(body) as unknown) : (body ?? undefined),
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

  /** The session of a UUID, or the newest. @throws Error if there is none */
  function session(uuid?: string): FakeSession {
    const found = sessions.filter((one) => !uuid || one.uuid === uuid).at(-1);
    if (!found) throw new Error("The fake server has no such session.");
    return found;
  }

  const server = {
    /** Every request so far, oldest first; also those that nobody answered. */
    requests: requests as readonly FakeRequest[],
    /** Every session so far, oldest first. */
    sessions: sessions as readonly FakeSession[],
    /** Codes sent by e-mail, oldest first. */
    emails: emails as readonly { to: string; code: string }[],
    /** Files on their way that `stepwise` has stopped, oldest first. */
    transfers: transfers as readonly FakeTransfer[],
    /** Whether files wait on their way for the test to move them. */
    stepwise: false,
    /** Whether nobody answers. */
    offline: false,
    /** Milliseconds by which the server's clock is ahead of the browser's. */
    ahead: 0,

    browser,
    session,
    /** End a session, by default the newest. */
    close(reason: ResetReason, uuid?: string): void {
      session(uuid).status = reason;
    },
    /** Forget a session's tokens: nothing is known of them any more. */
    forget: (uuid?: string): void => session(uuid).tokens.clear(),
    /** A code by which support brings a session back. */
    issueRecoveryCode: (uuid?: string): string => (session(uuid).recovery = randomCode(3)),
    /** Put a file into a session, as another tab would have. */
    addFile: (name: string, size = 1000, uuid?: string) => keep(session(uuid), name, size, null),
    /** Let the next request that fits fail so; several are used one after the other. */
    failNext(failure: Failure = {}): void {
      failures.push(failure);
    },
    /** Let requests that fit wait before they arrive, as if nobody ever answered. */
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
  /** `own` is the browser whose `fetch` and `transport` these are. */
  return Object.assign(server, { own, fetch: own.fetch, transport: own.transport });
}

export type FakeServer = ReturnType<typeof createFakeServer>;
