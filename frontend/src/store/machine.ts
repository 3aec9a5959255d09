import type { SessionError } from "../api/http.js";
import type { CurrentSession } from "../api/sessionApi.js";
import { MINUTE, retryDelay } from "../utils/time.js";
import { watchExpiry, type Timer } from "./expiry.js";
import type { Persistence } from "./persistence.js";
import {
  IDLE,
  type ChangeReason,
  type SessionSnapshot,
  type SessionState,
  type SessionStoreOptions,
} from "./sessionState.js";

/**
 * The states of a session and the transitions between them. It sends no request.
 *
 * @param now returns the server's time
 * @param notify called after each change of state
 * @param onDue called when the session has expired, and when it is time to try again
 */
export function createMachine(
  { expiringWithin = 5 * MINUTE, onSessionChanged }: SessionStoreOptions,
  persistence: Persistence,
  timer: Timer,
  now: () => number,
  notify: () => void,
  onDue: () => unknown,
) {
  let session: CurrentSession | null = null;
  let announced = persistence.readUuid();
  let snapshot = compose(stateOf(announced));
  let lastChange: ChangeReason | null = null;
  let failures = 0;
  let departures = 0;
  let acceptedAt = 0;

  const timeLeft = () => (session ? Date.parse(session.expires_at) - now() : Infinity);

  function watch(): void {
    watchExpiry(timer, timeLeft, expiringWithin, expire, onDue);
  }

  function expire(): void {
    if (snapshot.status === "ready") enter({ status: "expiring", uuid: snapshot.uuid });
  }

  function stateOf(uuid: string | null): SessionState {
    return uuid ? { status: "ready", uuid } : IDLE;
  }

  function compose(state: SessionState): SessionSnapshot {
    return { ...state, session, ...persistence.describe() };
  }

  function enter(state: SessionState): void {
    timer.stop(); // It was set for the previous state.
    snapshot = compose(state);
    notify();
  }

  function announce(next: string | null, reason: ChangeReason): void {
    const previous = announced;
    announced = next;
    if (previous === next) return;
    lastChange = reason;
    if (previous && reason !== "started" && reason !== "restored") departures++;
    // In a microtask, so that a callback that throws does not interrupt the store.
    queueMicrotask(() => onSessionChanged?.(previous, next, reason));
  }

  return {
    snapshot: () => snapshot,
    lastChange: () => lastChange,
    /** How often the visitor has left a session, here or in another tab. */
    departures: () => departures,
    enter,
    watch,
    /** Whether another tab has stored another session than this page shows. */
    isBehind: () => persistence.readUuid() !== snapshot.uuid,
    /** Whether the server has not confirmed the session for a minute. */
    isStale: () => Date.now() - acceptedAt > MINUTE,

    /** Make this the session. Without `used` the server has not confirmed it yet. */
    accept(next: { uuid: string; support_code: string }, reason: ChangeReason): void {
      const { uuid } = next;
      session = "used" in next ? (next as CurrentSession) : null;
      persistence.pushCode(next.support_code);
      persistence.save(uuid);
      const left = timeLeft();
      announce(uuid, reason);
      enter({ status: left > 0 && left <= expiringWithin ? "expiring" : "ready", uuid });
      failures = 0;
      acceptedAt = Date.now();
      watch();
    },

    /** Change to the session that another tab has stored. */
    follow(): void {
      const uuid = persistence.readUuid();
      session = null;
      persistence.reloadCodes();
      announce(uuid, "other_tab");
      enter(stateOf(uuid));
    },

    begin(): void {
      session = null;
      enter({ status: "starting", uuid: null });
    },

    leave(reason: "ended" | "erased"): void {
      session = null;
      if (reason === "erased") persistence.forgetCodes();
      else persistence.pushCode("");
      persistence.save(null);
      announce(null, reason);
      enter(IDLE);
    },

    /** Show an error. If it is transient, try again later. */
    fail(error: SessionError): void {
      const uuid = persistence.readUuid();
      if (!error.isTransient) return enter({ status: "failed", uuid, error });
      const wait = retryDelay(error, failures++);
      enter({ status: "offline", uuid, error, retryAt: Date.now() + wait });
      timer.start(wait, onDue);
    },
  };
}

export type Machine = ReturnType<typeof createMachine>;
