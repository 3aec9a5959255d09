import { isSessionUUID, memoryStorage, probeStorage, withLock } from "../utils/sessionUtils.js";
import type { KeyValueStorage } from "../utils/sessionUtils.js";

const UUID_KEY = "session_uuid";
const CODES_KEY = "session_support_code";

/** Stores the UUID and two support codes in the browser, or in memory if the storage refuses. */
export function createPersistence(find: () => KeyValueStorage | null) {
  let { storage, persistent } = probeStorage(find);
  let codes = readCodes();

  function readCodes(): string[] {
    return storage.getItem(CODES_KEY)?.split(" ") ?? [];
  }

  function save(uuid: string | null): void {
    try {
      // The UUID last: other tabs read both as soon as it changes.
      storage.setItem(CODES_KEY, codes.join(" "));
      if (uuid) storage.setItem(UUID_KEY, uuid);
      else storage.removeItem(UUID_KEY);
    } catch {
      switchToMemory(); // The storage has become full.
      save(uuid);
    }
  }

  function switchToMemory(): void {
    storage = memoryStorage();
    persistent = false;
  }

  return {
    readUuid(): string | null {
      const uuid = storage.getItem(UUID_KEY);
      return isSessionUUID(uuid) ? uuid : null;
    },
    save,
    switchToMemory,
    /** The part of a snapshot that is stored here. */
    describe: () => ({
      supportCode: codes[0] || null,
      previousSupportCode: codes[1] || null,
      persistent,
    }),
    reloadCodes: () => (codes = readCodes()),
    forgetCodes: () => (codes = []),
    /** Make a code the current one. An empty code only keeps the previous one. */
    pushCode(code: string): void {
      if (code !== codes[0]) codes = [code, codes[0] || codes[1] || ""];
    },
    /** Run a task while no other tab runs one. Memory is not shared, so it needs no shared lock. */
    exclusively: <T>(task: () => Promise<T>) =>
      withLock("session_lock", storage, persistent ? navigator.locks : undefined, task),
  };
}

export type Persistence = ReturnType<typeof createPersistence>;
