/** The network between the tabs and the server: requests and answers get lost, doubled, late. */
import { SessionError, type Answer } from "../../src/api/http.js";
import type { Transport, TransportRequest } from "../../src/api/uploadApi.js";
import type { FakeBrowser, FakeServer } from "../../src/testing/index.js";
import { MINUTE } from "../helpers.js";
import { currentTab, type Tab } from "./tab.js";

/** What becomes of one request. The server executes it, except where `arrives` is false. */
export interface Fate {
  name: string;
  arrives: boolean;
  /** How often the server executes it. */
  times?: number;
  /** What somebody else answers. Without it nobody answers. */
  foreign?: { status: number; body: string; headers?: Record<string, string> };
  /** The answer waits until it is let go. */
  isLate?: boolean;
  /** The connection breaks before the answer is in. */
  breaks?: boolean;
  /** No answer, and no error either. */
  hangs?: boolean;
}

export const NORMAL: Fate = { name: "normal", arrives: true };
/** Milliseconds without progress after which the browser's transport gives up. */
const STALLED = MINUTE;

export interface Sent {
  tab: Tab;
  method: string;
  path: string;
  uuid: string | null;
  body: unknown;
}

export interface Witness {
  /** A request leaves the browser. */
  onRequest(sent: Sent): void;
  /** The server has answered a request, and the answer reaches the tab. */
  onAnswer(sent: Sent, answer: Answer): void;
  /** A new proof in a late answer replaces a newer one. Browsers and keychains cannot prevent that. */
  onOvertaken(cookie: string | null): void;
  /** The server has executed something. */
  onExecuted(sent: Sent, answer: Answer): void;
}

const lost = () => new TypeError("Failed to fetch");
const never = () => new Promise<never>(() => undefined);

/** Reject when the signal aborts. */
function unlessAborted<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("Aborted", "AbortError")));
    work.then(resolve, reject);
  });
}

export class Network {
  /** The session cookie of all tabs. */
  cookie: string | null = null;
  isOffline = false;
  /** Whether requests and answers wait until they are let go, in any order. */
  isSlow = false;
  /** The fates of the next requests. */
  readonly fates: Fate[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly server: FakeServer,
    private readonly witness: Witness,
  ) {}

  letGo(choice: number): void {
    const [go] = this.waiting.splice(choice % (this.waiting.length || 1), 1);
    go?.();
  }

  /** Everything works, and everything on its way arrives. */
  heal(): void {
    this.isOffline = this.isSlow = false;
    this.fates.length = 0;
    for (const go of this.waiting.splice(0)) go();
  }

  readonly fetch: typeof globalThis.fetch = (input, init = {}) => {
    const { signal, ...rest } = init;
    const tab = currentTab()!;
    const headers = new Headers(init.headers);
    const sent: Sent = {
      tab,
      method: init.method ?? "GET",
      path: (input as string).replace("/api/v1/", "").replace(/\?cursor.*/, ""),
      uuid: headers.get("X-Session-UUID"),
      body: typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : undefined,
    };
    const work = this.exchange(sent, signal, async (browser) => {
      const response = await browser.fetch(input, rest);
      const header = (name: string) => response.headers.get(name);
      return { status: response.status, text: await response.text(), header };
    });
    return tab.settle(unlessAborted(signal, work)).then(asResponse);
  };

  readonly transport: Transport = (request) => {
    const tab = currentTab()!;
    const { signal, onProgress, headers, url, body } = request;
    const path = url.startsWith("/api/v1/") ? url.slice("/api/v1/".length) : "storage";
    const uuid = headers["X-Session-UUID"] ?? null;
    const sent: Sent = { tab, method: "POST", path, uuid, body };
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(), STALLED);
    const size = (body.get("file") as File).size;
    onProgress(Math.ceil(size / 2), size);
    const own: TransportRequest = {
      ...request,
      signal: new AbortController().signal,
      onProgress: (...progress) => signal.aborted || tab.deliver(() => onProgress(...progress)),
    };
    const work = this.exchange(sent, signal, (browser) => browser.transport(own));
    return tab
      .settle(unlessAborted(stalled.signal, unlessAborted(signal, work)))
      .catch(() => {
        const failure = stalled.signal.aborted ? "timeout" : "network";
        throw new SessionError(signal.aborted ? "aborted" : failure);
      })
      .finally(() => clearTimeout(timer));
  };

  private async exchange(
    sent: Sent,
    signal: AbortSignal | null | undefined,
    send: (browser: FakeBrowser) => Promise<Answer>,
  ): Promise<Answer> {
    if (signal?.aborted) throw lost();
    const fate = this.fates.shift() ?? NORMAL;
    this.witness.onRequest(sent);
    await this.leg();
    if (this.isOffline) throw lost();
    const browser = this.server.browser();
    const before = (browser.cookie = this.cookie);
    let answer: Answer | undefined;
    for (let left = fate.arrives ? (fate.times ?? 1) : 0; left > 0; left--) {
      // A doubled request has the same cookie twice.
      browser.cookie = before;
      answer = await send(browser);
      this.witness.onExecuted(sent, answer);
    }
    await this.leg(fate.isLate);
    if (fate.hangs) return never();
    if (fate.foreign) return foreignAnswer(fate.foreign);
    if (fate.breaks || !answer) throw lost();
    const isUnwanted = signal?.aborted || sent.tab.isClosed;
    if (browser.cookie !== before && !isUnwanted) {
      if (this.cookie !== before) this.witness.onOvertaken(browser.cookie);
      this.cookie = browser.cookie;
    }
    sent.tab.deliver(() => this.witness.onAnswer(sent, answer));
    return answer;
  }

  /** The way to the server, or back. */
  private leg(isLate = false): Promise<void> {
    if (!this.isSlow && !isLate) return Promise.resolve();
    return new Promise((go) => this.waiting.push(go));
  }
}

const foreignAnswer = ({ status, body, headers }: NonNullable<Fate["foreign"]>): Answer => ({
  status,
  text: body,
  header: (name) => headers?.[name] ?? null,
});

const asResponse = ({ status, text, header }: Answer) =>
  ({ status, headers: { get: header }, text: () => Promise.resolve(text) }) as unknown as Response;
