/** Helpers of the unit tests: a visitor's page over a fake server, and a controlled clock. */
import { afterEach, beforeEach, vi } from "vitest";
import type { ChangeReason, SessionStoreOptions } from "../src/store/sessionState.js";
import { createSessionStore } from "../src/store/sessionStore.js";
import type { UploadStoreOptions } from "../src/store/uploadItems.js";
import { createUploadStore } from "../src/store/uploadStore.js";
import type { FakeBrowser, FakeServer } from "../src/testing/index.js";
import type { KeyValueStorage } from "../src/utils/sessionUtils.js";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A UUID that no session has. */
export const UNKNOWN = "11111111-1111-4111-8111-111111111111";

/** A `localStorage` that can be full. */
export class FakeStorage implements KeyValueStorage {
  readonly values = new Map<string, string>();
  full = false;

  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.values.set(key, value);
  }

  removeItem(key: string): void {
    this.values.delete(key);
  }

  get uuid(): string | null {
    return this.getItem("session_uuid");
  }
}

interface Holder {
  name: string;
  clientId: string;
  lose(): void;
}

const aborted = () => new DOMException("The lock was taken or the request aborted.", "AbortError");

/** The used part of Web Locks, for one name: one holder, the others in turn. */
export class FakeLocks {
  readonly names: string[] = [];
  private holder: Holder | null = null;
  private readonly waiting: (() => void)[] = [];

  query(): Promise<{ held: Holder[] }> {
    return Promise.resolve({ held: this.holder ? [this.holder] : [] });
  }

  request<T>(name: string, options: LockOptions, task: () => Promise<T>): Promise<T> {
    this.names.push(name);
    return new Promise((resolve, reject) => {
      const holder = { name, clientId: `${this.names.length}`, lose: () => reject(aborted()) };
      const end = () => {
        if (this.holder !== holder) return;
        this.holder = null;
        this.waiting.shift()?.();
      };
      const begin = () => {
        this.holder = holder;
        void task().then(resolve, reject).finally(end);
      };
      if (options.steal) this.holder?.lose();
      if (options.steal || !this.holder) return begin();
      this.waiting.push(begin);
      options.signal?.addEventListener("abort", () => {
        const place = this.waiting.indexOf(begin);
        if (place >= 0) this.waiting.splice(place, 1);
        reject(options.signal?.reason as DOMException);
      });
    });
  }

  /** A tab that got the lock and was frozen. @returns a function that wakes it up */
  freeze(name = "session_lock"): () => void {
    let wake = (): void => undefined;
    const frozen = new Promise<void>((resolve) => (wake = resolve));
    this.request(name, {}, () => frozen).catch(() => undefined);
    return wake;
  }
}

/**
 * `AbortSignal.timeout` over the timers of the test: fake clocks do not control the browser's. The
 * time begins when somebody listens, so a lock that is free starts no timer.
 */
export function timeoutOver(start: (callback: () => void, milliseconds: number) => unknown) {
  return (milliseconds: number): AbortSignal => {
    const controller = new AbortController();
    const { signal } = controller;
    const listen = signal.addEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
      const reason = new DOMException("The time is over.", "TimeoutError");
      start(() => controller.abort(reason), milliseconds);
      listen(type, listener);
    };
    return signal;
  };
}

export function provideLocks(locks: FakeLocks | undefined): void {
  Object.defineProperty(navigator, "locks", { value: locks, configurable: true });
}

const closing: (() => void)[] = [];

/** Stop the clock, provide locks, and close pages after each test. */
export function controlTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    provideLocks(new FakeLocks());
    vi.stubGlobal("sessionStorage", new FakeStorage()); // That of jsdom starts timers.
    vi.spyOn(AbortSignal, "timeout").mockImplementation(timeoutOver(setTimeout));
    show("visible");
  });
  afterEach(() => {
    closing.splice(0).forEach((close) => close());
    vi.restoreAllMocks(); // First: a spied timer of the stopped clock would come back.
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Run all pending microtasks. */
export async function calm(): Promise<void> {
  for (let turns = 0; turns < 25; turns++) await turn();
}

/** Advance the clock. */
export async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await calm();
}

export function show(state: DocumentVisibilityState): void {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}

/** The event that other tabs receive after a write. */
export function notifyTabs(key: string | null = "session_uuid"): void {
  window.dispatchEvent(new StorageEvent("storage", { key }));
}

export const press = () => document.dispatchEvent(new Event("click", { bubbles: true }));

export type Change = [previous: string | null, next: string | null, reason: ChangeReason];

interface Visit extends SessionStoreOptions {
  browser?: FakeBrowser;
  uploads?: UploadStoreOptions;
}

/** An open page: its subscribed store, the states it has shown and the changes it has reported. */
export function openPage(
  server: FakeServer,
  { browser = server.own, uploads, ...options }: Visit = {},
) {
  const storage = (options.storage ?? new FakeStorage()) as FakeStorage;
  const changes: Change[] = [];
  const states: string[] = [];
  const session = createSessionStore({
    autoStart: "manual",
    live: false, // Most tests count the requests of a visitor.
    fetch: (input, init) => browser.fetch(input, init),
    onSessionChanged: (...change) => void changes.push(change),
    ...(!options.credentialStore && { storage }),
    ...options,
  });
  const files = createUploadStore(session, { transport: browser.transport, ...uploads });
  const open = () => {
    const ends = [
      session.subscribe(() => {
        const { status } = session.getSnapshot();
        if (states.at(-1) !== status) states.push(status);
      }),
    ];
    const close = () => ends.splice(0).forEach((end) => end());
    closing.push(close);
    return close;
  };
  const close = open();
  return {
    session,
    files,
    storage,
    changes,
    states,
    open,
    close,
    /** Subscribe to the files too, as the upload component does. */
    showFiles() {
      closing.push(files.subscribe(() => undefined));
    },
    get now() {
      return session.getSnapshot();
    },
    get items() {
      return files.getSnapshot().items;
    },
  };
}

export type Page = ReturnType<typeof openPage>;

/** A page with a session. */
export async function openSession(server: FakeServer, visit: Visit = {}): Promise<Page> {
  const page = openPage(server, visit);
  await page.session.start();
  await calm();
  return page;
}

/** A page with a session. Answers to requests with `method` are kept back until they are let go. */
export async function openLate(server: FakeServer, method: string) {
  const kept: (() => void)[] = [];
  const late = { isOn: false };
  const page = await openSession(server, {
    timeout: MINUTE,
    fetch: async (input, init) => {
      const response = await server.fetch(input, init);
      if (late.isOn && init?.method === method) await new Promise<void>((go) => kept.push(go));
      return response;
    },
  });
  late.isOn = true;
  return { page, late, kept };
}

/** The requests since a point, like `GET sessions/current/`. */
export const sent = (server: FakeServer, since = 0) =>
  server.requests.slice(since).map(({ method, path }) => `${method} ${path}`);

export const pdf = (name = "offer.pdf", size = 1000) => new File(["x".repeat(size)], name);
