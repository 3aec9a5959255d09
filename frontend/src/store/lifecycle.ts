import { SessionError, type Http, type Schemas } from "../api/http.js";
import type { CurrentSession, SessionApi } from "../api/sessionApi.js";
import { MINUTE } from "../utils/time.js";
import type { Machine } from "./machine.js";
import type { Persistence } from "./persistence.js";

/** Share one run of a task among all callers until it ends. */
function single(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null;
  return () => (running ??= task().finally(() => (running = null)));
}

/** Whether it is worth asking what became of the session. */
const isDenial = (error: unknown): error is SessionError =>
  error instanceof SessionError && error.status === 401 && !error.isTransient;

/** Whether the API itself refuses the proof. A proxy's 401 has no code, or another one. */
const isRefusal = (error: unknown): boolean =>
  isDenial(error) && /^(session|credentials)_/.test(error.code);

/** The answer, or undefined if the API refuses the proof. */
const unlessRefused = <T>(answer: Promise<T>): Promise<T | undefined> =>
  answer.catch((error: unknown) => {
    if (!isRefusal(error)) throw error;
    return undefined;
  });

/**
 * Creates, checks, resets and ends the session on the server.
 *
 * @param startsByItself whether the visitor's first key or click creates a session
 */
export function createLifecycle(
  machine: Machine,
  persistence: Persistence,
  api: SessionApi,
  http: Http,
  startsByItself: boolean,
) {
  const { snapshot } = machine;
  const { inTurn } = persistence;
  let mayStart = startsByItself;
  /** How many of the visitor's wishes to leave the session wait or are done now. */
  let leaving = 0;
  // Requests are numbered as they begin. Older answers must not replace newer ones.
  let begun = 0;
  let lastWrite = 0;
  let readBarrier = 0;

  /**
   * Read the session, or change it, and accept the answer, unless a newer one is known.
   *
   * @returns false if the page has left this session meanwhile: then nothing has changed here
   */
  async function refresh(
    uuid: string,
    write?: (uuid: string) => Promise<CurrentSession>,
  ): Promise<boolean> {
    const number = ++begun;
    const answer = await (write ?? api.current)(uuid);
    if (snapshot().uuid !== uuid || machine.isBehind()) return false;
    if (number < (write ? lastWrite : readBarrier)) return true;
    if (write) {
      lastWrite = number;
      readBarrier = begun + 1;
    }
    machine.accept(answer, "restored");
    return true;
  }

  const check = single(async function run(): Promise<void> {
    const { uuid } = snapshot();
    if (!uuid) return;
    await refresh(uuid).catch((error: unknown) => {
      if (isDenial(error)) return inTurn(settle);
      if (snapshot().uuid === uuid) machine.fail(error as SessionError);
    });
    // Another tab has changed the session meanwhile.
    if (!snapshot().session && snapshot().uuid !== uuid) await run();
  });

  /** Find out what became of the session. Other tabs wait. */
  async function settle(): Promise<void> {
    if (machine.isBehind()) machine.follow();
    const { uuid } = snapshot();
    if (!uuid) return;
    await refresh(uuid).catch((error: unknown) => handleRefusal(uuid, error as SessionError));
  }

  async function handleRefusal(uuid: string, error: SessionError): Promise<void> {
    const { lost, reason, support_code: code = "" } = error.problem;
    if (error.code === "session_mismatch") {
      machine.enter({ status: "mismatch", uuid, provenSupportCode: code });
    } else if (!isRefusal(error)) {
      machine.fail(error);
    } else if (reason && lost?.count) {
      machine.enter({ status: "reset_required", uuid, reason, lost, endedSupportCode: code });
    } else {
      machine.begin();
      await createOnce();
    }
  }

  /** Work of a tab that was frozen may be here twice: its turn was given to the next. */
  const createOnce = single(create);

  async function create(reason: "started" | "reset" = "started"): Promise<void> {
    try {
      const { uuid, created_at } = await api.create();
      // The cookie of an older session may still be there although its UUID is not.
      const isOld = Date.parse(created_at) < http.now() - MINUTE;
      const next = await confirm(uuid);
      // Another answer has given the page a session meanwhile.
      if (snapshot().uuid) void check();
      else machine.accept(next, isOld ? "restored" : reason, leaving > 0);
    } catch (error) {
      // The visitor has left the previous one although there is no next one yet.
      if (reason === "reset") machine.leave("ended");
      machine.fail(error as SessionError);
    }
  }

  /** Check that the browser sends the new session's cookie. If it refuses cookies, use a token. */
  const confirm = (uuid: string): Promise<CurrentSession> =>
    api.current(uuid).catch(async (error: unknown) => {
      // Without Web Locks another tab may have been faster: its session wins.
      if ((error as SessionError).code === "session_mismatch") return api.current();
      if (!isRefusal(error) || http.credential() === "bearer") throw error;
      http.toMemory();
      persistence.toMemory();
      return api.current((await api.create()).uuid);
    });

  const start = single(async () => {
    if (snapshot().uuid) return;
    machine.begin();
    await inTurn(() =>
      // Another tab may have left what this page has shown while it waited.
      persistence.readUuid() || snapshot().uuid ? settle() : createOnce(),
    );
  });

  const retry = () => (snapshot().uuid ? check() : start());

  async function withSession<T>(request: (uuid: string) => Promise<T>): Promise<T> {
    const before = machine.departures();
    // What is shown is what the visitor means, also while something else waits for a session.
    if (!snapshot().uuid) await start();
    const now = snapshot();
    if (!now.uuid) throw "error" in now ? now.error : new SessionError("session_required");
    if (machine.departures() !== before) throw new SessionError("session_changed");
    return checkAfterRefusal(request(now.uuid));
  }

  const checkAfterRefusal = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error: unknown) => {
      if (isDenial(error)) void check();
      throw error;
    });

  /**
   * Work on the session that the page shows, or else on the one that the cookie proves, if any.
   * `isLeft` says that the page has left its session while the task waited for its turn.
   */
  function withProven(
    task: (uuid: string | undefined, isLeft: boolean) => Promise<void>,
  ): Promise<void> {
    const shown = snapshot().uuid;
    leaving++;
    return inTurn(async () => {
      // Another tab has left the session. An empty storage says nothing about the cookie.
      if (snapshot().uuid && machine.isBehind() && persistence.readUuid()) machine.follow();
      const uuid = snapshot().uuid ?? (await unlessRefused(api.current()))?.uuid;
      await task(uuid, !!shown && uuid !== shown);
    }).finally(() => leaving--);
  }

  const resetSession = (reason: "requested" | "not_me" = "requested") =>
    withProven(async (uuid, isLeft) => {
      // Before other tabs see the new session: they would read the code and store it again.
      const forget = () => reason === "not_me" && persistence.forgetCodes();
      if (!uuid || isLeft) {
        forget();
        return settle();
      }
      const next = await unlessRefused(
        persistence.attempt((key) => requestReset(uuid, reason, key)),
      );
      if (next) {
        forget();
        machine.accept(next, "reset");
        return settle();
      }
      // A retired token may not reset its session, but end it.
      await unlessRefused(api.end(uuid));
      const shown = snapshot().uuid;
      if (shown && shown !== uuid) return settle(); // Another reset has been faster.
      persistence.save(null, ""); // Late answers in other tabs are no longer about a stored session.
      forget();
      machine.begin();
      await create("reset");
    });

  /** Reset the session that the page shows. If the browser proves another one, reset that one. */
  async function requestReset(uuid: string, reason: Schemas["ReasonEnum"], key: string) {
    const now = snapshot();
    const isMismatch = now.status === "mismatch";
    const isExpired = now.status === "reset_required" && now.reason === "expired";
    try {
      if (!isMismatch) return await api.reset(uuid, isExpired ? "expired" : reason, key);
    } catch (error) {
      if ((error as SessionError).code !== "session_mismatch") throw error;
    }
    const proven = await api.current();
    // An empty one is the successor whose answer was lost.
    const isNew = !isMismatch && !proven.used.files && !proven.name && !proven.email;
    return isNew ? proven : api.reset(proven.uuid, "mismatch", key);
  }

  const endSession = (erase?: boolean) =>
    withProven(async (uuid, isLeft) => {
      if (isLeft && (uuid || erase)) throw new SessionError("session_changed");
      if (!uuid) return;
      const stored = persistence.readUuid();
      // Ending a session that has ended already succeeds. Erasing it does not.
      await checkAfterRefusal(
        api.end(uuid, erase).catch((error: unknown) => {
          if (erase || (error as SessionError).code !== "session_invalid") throw error;
        }),
      );
      mayStart = false; // The click that ended a session must not create the next one.
      if (erase) persistence.forgetCodes();
      // Other work has taken the turn of this one, which was frozen, and has begun the next session.
      if (persistence.readUuid() !== stored) return;
      http.forget();
      machine.leave(erase ? "erased" : "ended");
    });

  function interact(): void {
    if (mayStart && snapshot().status === "idle") void start();
    if (snapshot().status === "expiring" && machine.isStale()) void check();
  }

  /** Somebody begins to wait for the session: the page is new, or is shown again. */
  function open(): void {
    mayStart = startsByItself;
    if (snapshot().status === "failed") machine.follow();
    wake();
  }

  /** The page is visible or online again, or another tab has changed the session. */
  function wake(): void {
    if (snapshot().status === "starting") return;
    if (machine.isBehind()) {
      machine.follow();
      mayStart = startsByItself;
    }
    const { status } = snapshot();
    const isUsable = status === "ready" || status === "expiring";
    const mayBeOld = status === "offline" || (isUsable && machine.isStale());
    if (mayBeOld && !document.hidden) void retry();
  }

  return {
    interact,
    open,
    wake,
    /** Create a session if there is none. Never rejects: the state shows the result. */
    start,
    /** Ask the server again now. Never rejects. */
    retry,
    /** Run a request with the session's UUID. After a 401 the store checks the session. */
    withSession,
    /**
     * Run a request that changes the session, and show its answer. @throws SessionError also if the
     * page has left the session meanwhile
     */
    update: (request: (uuid: string) => Promise<CurrentSession>) =>
      withSession(async (uuid) => {
        if (!(await refresh(uuid, request))) throw new SessionError("session_changed");
      }),
    /** Replace the session by a new one. @throws SessionError if nothing has changed */
    resetSession,
    /** End the session. `erase` also deletes personal data and files. @throws SessionError */
    endSession,
    /** After a mismatch, continue with the session that the browser proves. @throws SessionError */
    continueSession: () => inTurn(async () => machine.accept(await api.current(), "adopted")),
    /** Restore a session by a recovery code from support. @throws SessionError */
    async recover(code: string): Promise<void> {
      await start(); // Finds out whether cookies work: a recovery code works only once.
      await inTurn(async () => {
        machine.accept(await persistence.attempt((key) => api.recover(code, key)), "recovered");
        await settle();
      });
    },
  };
}
