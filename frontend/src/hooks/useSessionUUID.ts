"use client";
import { useSyncExternalStore } from "../react.js";
import { useSessionContext } from "../contexts/SessionContext.js";

/**
 * Return the session's UUID, or null if there is no session.
 *
 * After a reload it is available at once, before the server has confirmed it. It identifies the
 * session and gives no access.
 */
export function useSessionUUID(): string | null {
  const { session } = useSessionContext();
  return useSyncExternalStore(
    session.subscribe,
    () => session.getSnapshot().uuid,
    () => null,
  );
}
