import type { SessionError } from "../api/http.js";
import { isSessionUUID, memoryStorage, probeStorage, withLock } from "../utils/sessionUtils.js";
import type { SessionStoreOptions } from "./sessionState.js";

const UUID_KEY = "session_uuid";
const CODES_KEY = "session_support_code";
const ATTEMPT_KEY = "session_attempt";

/** Stores the UUID and two support codes in the browser, or in memory if the storage refuses. */
export function createPersistence(options: SessionStoreOptions) {
  /** The storage that the tabs share, if it works. */
  const shared = probeStorage(options.storage ?? options.credentialStore?.storage);
  let storage = shared ?? memoryStorage();
  let codes = readCodes();

  function readCodes(): (string | undefined)[] {
    return storage.getItem(CODES_KEY)?.split(" ") ?? [""];
  }

  /** Store the session and its code. An empty code only keeps the previous one. */
  function save(uuid: string | null, code: string): void {
    if (storage === shared) codes = readCodes(); // Another tab may have deleted one.
    if (code !== codes[0]) codes = [code, codes[0] || codes[1]];
    try {
      // The UUID last: other tabs read both as soon as it changes.
      storage.setItem(CODES_KEY, codes.join(" "));
      if (uuid) storage.setItem(UUID_KEY, uuid);
      else storage.removeItem(UUID_KEY);
    } catch {
      // Other tabs and the next page must not find the previous session.
      storage.removeItem(UUID_KEY);
      storage.removeItem(CODES_KEY);
      toMemory(); // The storage has become full.
      save(uuid, code);
    }
  }

  /**
   * Send a request with an Idempotency-Key. The key is stored until the answer is in, so that the
   * request can be repeated after a reload too. It is a secret: with it the answer can be repeated.
   */
  async function attempt<T>(request: (key: string) => Promise<T>): Promise<T> {
    const key =
      storage.getItem(ATTEMPT_KEY) ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    try {
      storage.setItem(ATTEMPT_KEY, key);
    } catch {
      // The storage is full: a reload loses the key.
    }
    const answer = request(key);
    const forget = () => storage.removeItem(ATTEMPT_KEY);
    await answer.then(forget, (error: unknown) => (error as SessionError).isTransient || forget());
    return answer;
  }

  function toMemory(): void {
    storage = memoryStorage();
  }

  return {
    readUuid(): string | null {
      const uuid = storage.getItem(UUID_KEY);
      return isSessionUUID(uuid) ? uuid : null;
    },
    save,
    attempt,
    toMemory,
    /** The part of a snapshot that is stored here. */
    describe: () => ({
      supportCode: codes[0] || null,
      previousSupportCode: codes[1] || null,
      persistent: storage === shared,
    }),
    reloadCodes: () => (codes = readCodes()),
    forgetCodes(): void {
      storage.removeItem(CODES_KEY);
      codes = readCodes();
    },
    /** Run a task while no other tab runs one. Memory is not shared, so it needs no shared lock. */
    inTurn: <T>(task: () => Promise<T>) =>
      withLock("session_lock", storage, storage === shared && navigator.locks, task),
  };
}

export type Persistence = ReturnType<typeof createPersistence>;
