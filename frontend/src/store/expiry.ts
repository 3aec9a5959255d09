import { later, MINUTE } from "../utils/time.js";

/** One timer at a time. It does nothing while `isIdle()`. */
export function createTimer(isIdle: () => boolean) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => clearTimeout(timer);
  return {
    stop,
    start(milliseconds: number, then: () => unknown): void {
      stop();
      if (!isIdle()) timer = later(milliseconds, () => isIdle() || then());
    },
  };
}

export type Timer = ReturnType<typeof createTimer>;

/**
 * Watch the end of the session.
 *
 * @param timeLeft returns milliseconds until the end, or Infinity if it is unknown
 * @param within milliseconds before the end at which the session counts as expiring
 */
export function watchExpiry(
  timer: Timer,
  timeLeft: () => number,
  within: number,
  onExpiring: () => void,
  onExpired: () => unknown,
): void {
  const left = timeLeft();
  // A clock that is wrong by days must not cause endless requests.
  const wait = left > 0 ? left - (left > within ? within : 0) : MINUTE;
  timer.start(wait, () => {
    const left = timeLeft();
    // A hidden page asks the server when it becomes visible.
    if (left <= 0 && !document.hidden) return onExpired();
    if (left <= within) onExpiring();
    watchExpiry(timer, timeLeft, within, onExpiring, onExpired);
  });
}
