import type { SessionError } from "../api/http.js";
import type { CurrentSession } from "../api/sessionApi.js";
import { later, MINUTE, retryDelay } from "../utils/time.js";
import type { Listeners } from "./listeners.js";
import type { Persistence } from "./persistence.js";
import {
  IDLE,
  type ChangeReason,
  type OnSessionChanged,
  type SessionSnapshot,
  type SessionState,
  type SessionStoreOptions,
} from "./sessionState.js";

/**
 * The states of a session and the transitions between them. It sends no request.
 *
 * @param listeners called after each change of state. While nobody waits, no timer runs.
 * @param now returns the server's time
 * @param onChanged called when the UUID has changed
 * @param onDue called when the session has expired, and when it is time to try again
 */
export function createMachine(
  { expiringWithin = 5 * MINUTE }: SessionStoreOptions,
  persistence: Persistence,
  listeners: Listeners,
  now: () => number,
  onChanged: OnSessionChanged,
  onDue: () => unknown,
) {
  let session: CurrentSession | null = null;
  /** Milliseconds until the end of the session, or Infinity if it is unknown. */
  const timeLeft = () => (session ? Date.parse(session.expires_at) - now() : Infinity);
  let announced = persistence.readUuid();
  let snapshot: SessionSnapshot;
  let lastChange: ChangeReason | null = null;
  let failures = 0;
  let departures = 0;
  let acceptedAt = 0;
  let timer: ReturnType<typeof later> | undefined;

  const stop = () => clearTimeout(timer);

  /** Start the timer of the current state. */
  function wait(milliseconds: number, then: () => unknown): void {
    stop();
    if (!listeners.isIdle()) timer = later(milliseconds, () => listeners.isIdle() || then());
  }

  /** Watch the end of the session. */
  function watch(): void {
    const left = timeLeft();
    // A clock that is wrong by days must not cause endless requests.
    wait(left > expiringWithin ? left - expiringWithin : left > 0 ? left : MINUTE, () => {
      const left = timeLeft();
      // A hidden page asks the server when it becomes visible.
      if (left <= 0 && !document.hidden) return onDue();
      if (left <= expiringWithin && snapshot.status === "ready") {
        enter({ ...snapshot, status: "expiring" });
      }
      watch();
    });
  }

  function stateOf(uuid: string | null): SessionState {
    const left = timeLeft();
    return uuid
      ? { status: left > 0 && left <= expiringWithin ? "expiring" : "ready", uuid }
      : IDLE;
  }

  function enter(state: SessionState): void {
    stop(); // It was set for the previous state.
    snapshot = { ...state, session, ...persistence.describe() };
    listeners.notify();
  }

  /** Show this session, or none. `confirmed` is the session as the server describes it, if known. */
  function change(
    uuid: string | null,
    reason: ChangeReason,
    confirmed: CurrentSession | null = null,
    isLeft = reason !== "started" && reason !== "restored",
  ): void {
    const previous = announced;
    announced = uuid;
    session = confirmed;
    if (previous !== uuid) {
      lastChange = reason;
      if (previous && isLeft) departures++;
      onChanged(previous, uuid, reason);
    }
    enter(stateOf(uuid));
  }

  /** Change to the session that another tab has stored. */
  function follow(): void {
    persistence.reloadCodes();
    change(persistence.readUuid(), "other_tab");
  }

  enter(stateOf(announced));
  return {
    snapshot: () => snapshot,
    lastChange: () => lastChange,
    /** How often the visitor has left a session, here or in another tab. */
    departures: () => departures,
    enter,
    watch,
    /** Stop the timer. */
    stop,
    /** Whether another tab has stored another session than this page shows. */
    isBehind: () => persistence.readUuid() !== snapshot.uuid,
    /** Whether the server has not confirmed the session, or a minute ago. */
    isStale: () => !session || Date.now() - acceptedAt > MINUTE,

    /** Make this the session. Without `used` the server has not confirmed it yet. */
    accept(
      next: { uuid: string; support_code: string },
      reason: ChangeReason,
      isLeft?: boolean,
    ): void {
      persistence.save(next.uuid, next.support_code);
      change(next.uuid, reason, "used" in next ? (next as CurrentSession) : null, isLeft);
      failures = 0;
      acceptedAt = Date.now();
      watch();
    },

    follow,

    begin(): void {
      session = null;
      enter({ status: "starting", uuid: null });
    },

    leave(reason: "ended" | "erased"): void {
      persistence.save(null, "");
      change(null, reason);
    },

    /** Show an error. If it is transient, try again later. */
    fail(error: SessionError): void {
      const uuid = persistence.readUuid();
      // The error is about a session that another tab has left.
      if (snapshot.uuid && uuid !== snapshot.uuid) return follow();
      if (!error.isTransient) return enter({ status: "failed", uuid, error });
      const delay = retryDelay(error, failures++);
      enter({ status: "offline", uuid, error, retryAt: Date.now() + delay });
      wait(delay, onDue);
    },
  };
}

export type Machine = ReturnType<typeof createMachine>;
