import type { SessionError } from "../api/http.js";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
const LONGEST = 60 * MINUTE;

/** A wait of at most an hour. Browsers run a timer at once if its time is endless or too long. */
export const limited = (milliseconds: number): number =>
  milliseconds < LONGEST ? milliseconds : LONGEST;

/** `setTimeout`, for every timer of the package. */
export const later = (milliseconds: number, then: () => unknown) =>
  setTimeout(then, limited(milliseconds));

/**
 * Milliseconds until the next try: what the server asks for, or twice as long after each failure.
 * Up to a half is added at random, so that clients do not all come back at once.
 */
export function retryDelay({ retryAfter }: SessionError, failures: number): number {
  const seconds = Math.max(1, retryAfter || Math.min(60, 2 ** failures));
  return limited(SECOND * seconds * (1 + Math.random() / 2));
}
