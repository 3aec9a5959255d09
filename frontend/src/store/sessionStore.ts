import { createHttp, SessionError } from "../api/http.js";
import type { Http, ResetReason, Schemas } from "../api/http.js";
import { createSessionApi } from "../api/sessionApi.js";
import type { ActivityPage, CurrentSession, Identity } from "../api/sessionApi.js";
import {
  isSessionUUID,
  memoryCredentials,
  memoryStorage,
  probeStorage,
  withJitter,
  withLock,
  type CredentialStore,
  type KeyValueStorage,
} from "../utils/sessionUtils.js";

/** What can be said of the session just now; each state holds only what is true in it. */
export type SessionState =
  /** There is no session yet, or none any more. */
  | { status: "idle"; uuid: null }
  | { status: "starting"; uuid: null }
  /** Usable. Until the server has confirmed it, `session` is null. */
  | { status: "ready"; uuid: string }
  /** Usable, and over soon unless the visitor goes on. */
  | { status: "expiring"; uuid: string }
  /** The server cannot be asked just now; nothing is lost. `retryAt` is in milliseconds. */
  | { status: "offline"; uuid: string | null; error: SessionError; retryAt: number }
  /** The session is over, and something was in it. */
  | {
      status: "reset_required";
      uuid: string;
      reason: ResetReason;
      lost: Schemas["Lost"];
      endedSupportCode: string;
    }
  /** The browser proves another session than the one remembered here. */
  | { status: "mismatch"; uuid: string; provenSupportCode: string }
  /** The server refuses; trying again without a change will not help. */
  | { status: "failed"; uuid: string | null; error: SessionError };

/** A state, and what is known whatever the state. Immutable: a new object for each change. */
export type SessionSnapshot = SessionState & {
  /** What the server last said of the session: limits, what is used, who the visitor says they are. */
  session: CurrentSession | null;
  /** What the visitor tells support. */
  supportCode: string | null;
  /** The code of the session before this one, if this browser had one. */
  previousSupportCode: string | null;
  /** False where the browser will have forgotten the session after a reload. */
  persistent: boolean;
};

/** Why the session's UUID changed. */
export type ChangeReason =
  "started" | "restored" | "adopted" | "reset" | "recovered" | "ended" | "erased" | "other_tab";

export interface SessionStoreOptions {
  /** Where the API is; `/api/v1/` of the page's own host unless given. */
  baseUrl?: string;
  /** When a visitor without a session gets one: at the first key or click, at once, or by `start()`. */
  autoStart?: "interaction" | "load" | "manual";
  /** Given, the proof is a bearer token kept here; otherwise the browser's cookie. */
  credentialStore?: CredentialStore;
  /** Milliseconds before its end at which a session counts as expiring; five minutes. */
  expiringWithin?: number;
  /** Milliseconds after which a request without an answer is given up; fifteen seconds. */
  timeout?: number;
  /** Called after the UUID has changed, for what the page keeps under it, like a chat history. */
  onSessionChanged?: (previous: string | null, next: string | null, reason: ChangeReason) => void;
  /** Where the UUID is remembered, under `session_uuid`; `localStorage` unless given. */
  storage?: KeyValueStorage;
  fetch?: typeof globalThis.fetch;
}

const UUID_KEY = "session_uuid";
const CODES_KEY = "session_support_code";
const IDLE = { status: "idle", uuid: null } as const;
const SERVER: SessionSnapshot = {
  ...IDLE,
  session: null,
  supportCode: null,
  previousSupportCode: null,
  persistent: true,
};
/** How long a check counts; the server, too, notes activity once a minute. */
const MINUTE = 60_000;
const LONGEST_TIMER = 60 * MINUTE;

/** Share one run of a task among all who ask for it meanwhile. */
function single(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () =>
    (running ??= task().finally(() => {
      running = undefined;
    }));
}

/** Whether the API itself has said that this proof does not do. */
const isRefusal = (error: SessionError) => error.status === 401 && !error.isTransient;

/**
 * One visitor's session in one page, kept in step with the server and with other tabs.
 *
 * Does nothing until someone subscribes, and nothing after the last has left. Only a 401 of the
 * API itself ends a session; whatever else happens is weather, and is waited out.
 */
export function createSessionStore(options: SessionStoreOptions = {}) {
  const { autoStart = "interaction", expiringWithin = 5 * MINUTE } = options;
  const http: Http = createHttp({
    baseUrl: options.baseUrl ?? "/api/v1/",
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    timeout: options.timeout ?? 15_000,
    credentials: options.credentialStore,
  });
  const api = createSessionApi(http);
  const listeners = new Set<() => void>();
  let { storage, persistent } = probeStorage(() => {
    if (options.storage) return options.storage;
    const beside = options.credentialStore?.storage;
    return beside === undefined ? window.localStorage : beside;
  });
  let session: CurrentSession | null = null;
  let codes = storedCodes();
  let announced = stored();
  let armed = autoStart !== "manual";
  let checkedAt = 0;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attached: AbortController | undefined;
  let snapshot = compose(announced ? { status: "ready", uuid: announced } : IDLE);

  // What the browser remembers -------------------------------------------------------------------

  function stored(): string | null {
    const uuid = storage.getItem(UUID_KEY);
    return isSessionUUID(uuid) ? uuid : null;
  }

  function storedCodes(): (string | null)[] {
    return storage.getItem(CODES_KEY)?.split(" ") ?? [];
  }

  function remember(uuid: string | null): void {
    try {
      // The UUID last: other tabs read both as soon as it changes.
      storage.setItem(CODES_KEY, codes.join(" "));
      if (uuid) storage.setItem(UUID_KEY, uuid);
      else storage.removeItem(UUID_KEY);
    } catch {
      forgetful(); // The storage is full by now.
      remember(uuid);
    }
  }

  function forgetful(): void {
    storage = memoryStorage();
    persistent = false;
  }

  // What is told ---------------------------------------------------------------------------------

  function compose(state: SessionState): SessionSnapshot {
    const [supportCode, previousSupportCode] = codes;
    return {
      ...state,
      session,
      supportCode: supportCode || null,
      previousSupportCode: previousSupportCode || null,
      persistent,
    };
  }

  function set(state: SessionState): void {
    clearTimeout(timer); // It was set for the state before.
    snapshot = compose(state);
    listeners.forEach((listener) => listener());
  }

  function announce(next: string | null, reason: ChangeReason): void {
    const previous = announced;
    announced = next;
    // A callback that throws must not stop what the store is doing.
    if (previous !== next) queueMicrotask(() => options.onSessionChanged?.(previous, next, reason));
  }

  // Steps ----------------------------------------------------------------------------------------

  /** Make this the session, before or after the server has told all about it. */
  function take(next: { uuid: string; support_code: string }, reason: ChangeReason): void {
    session = "used" in next ? (next as CurrentSession) : null;
    if (next.support_code !== codes[0]) codes = [next.support_code, codes[0] || codes[1] || ""];
    remember(next.uuid);
    const left = timeLeft();
    set({ status: left > 0 && left <= expiringWithin ? "expiring" : "ready", uuid: next.uuid });
    announce(next.uuid, reason);
    failures = 0;
    watchExpiry();
  }

  /** Do as another tab has done. */
  function follow(): void {
    const uuid = stored();
    session = null;
    codes = storedCodes();
    set(uuid ? { status: "ready", uuid } : IDLE);
    announce(uuid, "other_tab");
  }

  function leave(reason: "ended" | "erased"): void {
    session = null;
    codes = reason === "erased" ? [] : ["", codes[0] ?? ""];
    armed = false; // The click that ended a session must not begin the next.
    remember(null);
    void http.forget();
    set(IDLE);
    announce(null, reason);
  }

  function complain(error: SessionError, uuid = stored()): void {
    if (!error.isTransient) return set({ status: "failed", uuid, error });
    const wait = withJitter(1000 * (error.retryAfter || Math.min(60, 2 ** failures++)));
    set({ status: "offline", uuid, error, retryAt: Date.now() + wait });
    later(wait, retry);
  }

  function later(milliseconds: number, then: () => unknown): void {
    clearTimeout(timer);
    if (listeners.size) timer = setTimeout(then, Math.min(milliseconds, LONGEST_TIMER));
  }

  // Time -----------------------------------------------------------------------------------------

  const timeLeft = () => (session ? Date.parse(session.expires_at) - http.now() : Infinity);

  function watchExpiry(): void {
    const left = timeLeft();
    // A clock that is wrong by days must not make us ask without end.
    later(left > expiringWithin ? left - expiringWithin : left > 0 ? left : MINUTE, () => {
      const now = timeLeft();
      // While nobody looks nobody needs to know; `wake` asks when somebody does.
      if (now <= 0 && !document.hidden) return check();
      if (now <= expiringWithin && snapshot.status === "ready") {
        set({ status: "expiring", uuid: snapshot.uuid });
      }
      watchExpiry();
    });
  }

  // Talking with the server; whatever may change the remembered UUID does so under the lock --------

  const exclusively = <T>(task: () => Promise<T>) =>
    // What no other tab shares needs no lock that all tabs share.
    withLock("session_lock", storage, persistent ? globalThis.navigator.locks : undefined, task);

  const check = single(async function ask(): Promise<void> {
    const { uuid } = snapshot;
    if (!uuid) return;
    checkedAt = Date.now();
    try {
      const current = await api.current(uuid);
      if (snapshot.uuid === uuid) take(current, "restored");
    } catch (thrown) {
      const error = thrown as SessionError;
      if (isRefusal(error)) await exclusively(settle);
      else if (snapshot.uuid === uuid) complain(error);
    }
    if (!session && snapshot.uuid !== uuid) await ask(); // Another tab was quicker.
  });

  /** Find out, with the other tabs waiting, what became of the session. */
  async function settle(): Promise<void> {
    if (stored() !== snapshot.uuid) follow();
    const { uuid } = snapshot;
    if (!uuid) return;
    try {
      take(await api.current(uuid), "restored");
    } catch (thrown) {
      const error = thrown as SessionError;
      const { lost, reason, support_code = "" } = error.problem;
      if (error.code === "session_mismatch") {
        set({ status: "mismatch", uuid, provenSupportCode: support_code });
      } else if (error.code === "session_invalid" && reason && lost?.count) {
        set({ status: "reset_required", uuid, reason, lost, endedSupportCode: support_code });
      } else if (["session_invalid", "session_required"].includes(error.code)) {
        await begin("started");
      } else {
        complain(error);
      }
    }
  }

  async function begin(reason: ChangeReason): Promise<void> {
    session = null;
    set({ status: "starting", uuid: null });
    try {
      const { uuid, created_at } = await api.create();
      // A cookie may have outlived what the page remembers.
      const isOld = Date.parse(created_at) < http.now() - MINUTE;
      take(await confirm(uuid), isOld ? "restored" : reason);
    } catch (error) {
      complain(error as SessionError);
    }
  }

  /** See whether the proof of a new session comes back; if the browser refuses cookies, carry it ourselves. */
  async function confirm(uuid: string): Promise<CurrentSession> {
    try {
      return await api.current(uuid);
    } catch (thrown) {
      const error = thrown as SessionError;
      // Without Web Locks another tab may have been quicker: its session is the one then.
      if (error.code === "session_mismatch") return api.current();
      if (!isRefusal(error) || http.credential() === "bearer") throw error;
      http.useBearer(memoryCredentials());
      forgetful();
      return api.current((await api.create()).uuid);
    }
  }

  const start = single(async () => {
    if (snapshot.uuid) return;
    armed = false;
    set({ status: "starting", uuid: null });
    await exclusively(() => (stored() ? settle() : begin("started")));
  });

  function retry(): Promise<void> {
    return snapshot.uuid ? check() : start();
  }

  async function withSession<T>(request: (uuid: string) => Promise<T>): Promise<T> {
    await start();
    const { uuid } = snapshot;
    if (!uuid) throw "error" in snapshot ? snapshot.error : new SessionError("session_required");
    try {
      return await request(uuid);
    } catch (thrown) {
      const error = thrown as SessionError;
      if (isRefusal(error)) void check();
      throw error;
    }
  }

  async function resetSession(reason: "requested" | "not_me" = "requested"): Promise<void> {
    await exclusively(async () => {
      if (stored() !== snapshot.uuid || !snapshot.uuid) return settle();
      let uuid: string = snapshot.uuid;
      let why: Schemas["ReasonEnum"] = reason;
      if (snapshot.status === "reset_required" && snapshot.reason === "expired") why = "expired";
      // Before the other tabs hear of it: they would keep the code, and write it down again.
      const forget = () => reason === "not_me" && (codes = []);
      try {
        if (snapshot.status === "mismatch") {
          why = "mismatch";
          uuid = (await api.current()).uuid;
        }
        const next = await api.reset(uuid, why);
        forget();
        take(next, "reset");
      } catch (thrown) {
        if (!isRefusal(thrown as SessionError)) throw thrown;
        forget();
        return begin("reset");
      }
      await settle();
    });
  }

  async function endSession(erase = false): Promise<void> {
    await exclusively(async () => {
      const { uuid } = snapshot;
      if (!uuid) return;
      try {
        await api.end(uuid, erase);
      } catch (thrown) {
        const error = thrown as SessionError;
        if (erase || error.code !== "session_invalid") {
          if (isRefusal(error)) void check();
          throw error;
        }
      }
      leave(erase ? "erased" : "ended");
    });
  }

  // The page -------------------------------------------------------------------------------------

  const interact = () => {
    if (armed && snapshot.status === "idle") void start();
    if (snapshot.status === "expiring" && Date.now() - checkedAt > MINUTE) void check();
  };

  const wake = () => {
    if (snapshot.status === "starting") return;
    if (persistent && stored() !== snapshot.uuid) follow();
    const { status } = snapshot;
    if (document.visibilityState === "hidden") return;
    if (status === "offline") void retry();
    else if (status === "ready" || status === "expiring") {
      if (!session || Date.now() - checkedAt > MINUTE) void check();
    }
  };

  const followOthers = () => {
    if (stored() !== snapshot.uuid) wake();
  };

  function attach(): void {
    attached = new AbortController();
    const { signal } = attached;
    const on = (target: EventTarget, type: string, listener: () => void) =>
      target.addEventListener(type, listener, { signal });
    // Not "pointerdown": what moves on the page between press and release would lose the click.
    on(document, "click", interact);
    on(document, "keydown", interact);
    on(document, "visibilitychange", wake);
    on(window, "pageshow", wake);
    on(window, "online", wake);
    on(window, "storage", followOthers);
    wake();
    if (autoStart === "load") interact();
    watchExpiry();
  }

  function detach(): void {
    clearTimeout(timer);
    attached?.abort();
  }

  return {
    /** The way to the API, for what else the page asks of it. */
    http,

    getSnapshot: () => snapshot,
    /** On a server there is no visitor: always idle. */
    getServerSnapshot: () => SERVER,
    /** @returns what ends the subscription. The first begins the store's work, the last ends it. */
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      if (listeners.size === 1) attach();
      return () => {
        if (listeners.delete(listener) && !listeners.size) detach();
      };
    },

    /** Begin a session, unless there is one; never rejects, the state says what came of it. */
    start,
    /** Ask the server again now; never rejects. */
    retry,
    /** Leave the session for a fresh one; @throws SessionError, and nothing has changed then. */
    resetSession,
    /** End the session; with `erase` also remove personal data and files. @throws SessionError */
    endSession,
    /** After a mismatch: go on with the session that the browser proves. @throws SessionError */
    continueSession: () => exclusively(async () => take(await api.current(), "adopted")),
    /** Bring a session back by the code that support has told. @throws SessionError */
    async recover(code: string): Promise<void> {
      await start(); // Finds out first whether cookies work: the code is good only once.
      await exclusively(async () => {
        take(await api.recover(code), "recovered");
        await settle();
      });
    },
    /** Say or take back name, e-mail address and consents. @throws SessionError */
    identify: (identity: Identity) =>
      withSession(async (uuid) => take(await api.identify(uuid, identity), "restored")),
    /** Mail a six-digit code to the visitor's address. @throws SessionError */
    sendCode: () => withSession(api.sendCode),
    /** Prove the address by the code. @throws SessionError */
    verifyCode: (code: string) =>
      withSession(async (uuid) => take(await api.verifyCode(uuid, code), "restored")),
    /** One page of what happened in the session, newest first. @throws SessionError */
    activity: (next?: string): Promise<ActivityPage> =>
      withSession((uuid) => api.activity(uuid, next)),
    /** Everything held about the session. @throws SessionError */
    exportData: () => withSession(api.exportData),
    /** A signed text, good for five minutes, for handing to Maria's back end. @throws SessionError */
    assertion: () => withSession(api.assertion),
    /** Run a request of your own with the session's UUID; a 401 makes the store look what became of it. */
    withSession,
  };
}

export type SessionStore = ReturnType<typeof createSessionStore>;
