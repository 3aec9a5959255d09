"use client";
import { useSyncExternalStore } from "react";
import { useSessionContext } from "../contexts/SessionContext.js";

/**
 * The session's UUID, or null while there is none.
 *
 * After a reload it is there at once, before the server has been asked. It names the session and
 * grants nothing.
 */
export function useSessionUUID(): string | null {
  const { session } = useSessionContext();
  return useSyncExternalStore(
    session.subscribe,
    () => session.getSnapshot().uuid,
    () => null,
  );
}
