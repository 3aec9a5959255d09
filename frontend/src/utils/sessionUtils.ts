/** What is needed of `localStorage`. */
export type KeyValueStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/**
 * Where the proof of a client without a cookie lies: in memory, in `sessionStorage`, in the
 * keychain of a native shell. `set(null)` forgets it.
 */
export interface CredentialStore {
  get(): string | null | Promise<string | null>;
  set(token: string | null): unknown;
  /** Where the UUID belongs that goes with the token, if not in `localStorage`; null: in memory. */
  storage?: KeyValueStorage | null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Whether a text is a session UUID in its one spelling: version 4, lower case, with hyphens. */
export const isSessionUUID = (text: unknown): text is string =>
  typeof text === "string" && UUID.test(text);

/** A storage that lasts as long as the page. */
export function memoryStorage(): KeyValueStorage {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

/**
 * The storage to use, tried by writing: it may be full, switched off, or forbidden even to name.
 *
 * @returns the storage, or one in memory with `persistent` false.
 */
export function probeStorage(find: () => KeyValueStorage | null): {
  storage: KeyValueStorage;
  persistent: boolean;
} {
  try {
    const storage = find();
    storage?.setItem("session_probe", "1");
    storage?.removeItem("session_probe");
    if (storage) return { storage, persistent: true };
  } catch {
    // Then it cannot be used.
  }
  return { storage: memoryStorage(), persistent: false };
}

/**
 * Keep a bearer token, and the UUID beside it, in a storage. `sessionStorage` lasts as long as the
 * tab; every script of the page can read it.
 */
export function storageCredentials(storage: KeyValueStorage): CredentialStore {
  const key = "session_token";
  return {
    storage,
    get: () => storage.getItem(key),
    set: (token) => (token ? storage.setItem(key, token) : storage.removeItem(key)),
  };
}

/** Keep a bearer token in memory: it does not survive a reload, and no other script finds it. */
export const memoryCredentials = (): CredentialStore => ({
  ...storageCredentials(memoryStorage()),
  storage: null,
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Milliseconds to wait, spread by up to a half, so that not everybody comes back at once. */
export const withJitter = (milliseconds: number): number => milliseconds * (1 + Math.random() / 2);

const LEASE = 20_000;

/**
 * Run a task while no other tab runs one under the same name.
 *
 * Web Locks where the browser has them. Pages over plain HTTP have none: there the tabs agree by
 * a lease in the storage they share, which two of them may very rarely get at once; the store
 * finds out when it checks what it created.
 */
export async function withLock<T>(
  name: string,
  storage: KeyValueStorage,
  locks: LockManager | undefined,
  task: () => Promise<T>,
): Promise<T> {
  if (locks) return locks.request(name, task);
  const mine = `${Math.random()}`;
  for (;;) {
    const [holder, until] = storage.getItem(name)?.split(" ") ?? [];
    if (holder === mine) break;
    try {
      if (!(Number(until) > Date.now())) storage.setItem(name, `${mine} ${Date.now() + LEASE}`);
    } catch {
      return task(); // The storage is full by now.
    }
    await pause(50);
  }
  try {
    return await task();
  } finally {
    if (storage.getItem(name)?.startsWith(mine)) storage.removeItem(name);
  }
}
