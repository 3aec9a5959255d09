import { later, SECOND } from "./time.js";

/** The methods of `localStorage` that the package uses. */
export type KeyValueStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/**
 * Where a bearer token is stored: in memory, in `sessionStorage`, in the keychain of a native app.
 * `set(null)` deletes it.
 */
export interface CredentialStore {
  get(): string | null | Promise<string | null>;
  set(token: string | null): unknown;
  /** Where to store the UUID. Default: `localStorage`. Null: in memory. */
  storage?: KeyValueStorage | null | undefined;
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

/** Whether a text is a session UUID: version 4, lower case, with hyphens. */
export const isSessionUUID = (text: unknown): text is string =>
  typeof text === "string" && UUID.test(text);

/** A storage that is lost with the page. */
export function memoryStorage(): KeyValueStorage {
  const values: Record<string, string | null> = {};
  return {
    getItem: (key) => values[key] ?? null,
    setItem: (key, value) => (values[key] = value),
    removeItem: (key) => (values[key] = null),
  };
}

/**
 * Test a storage by writing to it: it may be full, disabled, or forbidden even to access.
 *
 * @param own default: the browser's storage of this name
 * @returns the storage, or null if it cannot be used
 */
export function probeStorage(
  own: KeyValueStorage | null | undefined,
  name: "localStorage" | "sessionStorage" = "localStorage",
): KeyValueStorage | null {
  try {
    const storage = own === undefined ? window[name] : own;
    storage?.setItem("session_probe", "1");
    storage?.removeItem("session_probe");
    return storage;
  } catch {
    return null;
  }
}

/**
 * Keep a bearer token and the UUID in a storage. `sessionStorage` lasts as long as the tab. Every
 * script of the page can read the token.
 */
export function storageCredentials(storage: KeyValueStorage): CredentialStore {
  const key = "session_token";
  return {
    storage,
    get: () => storage.getItem(key),
    set: (token) => (token ? storage.setItem(key, token) : storage.removeItem(key)),
  };
}

/** Keep a bearer token in memory. A reload loses it, and other scripts cannot read it. */
export const memoryCredentials = (): CredentialStore => ({
  ...storageCredentials(memoryStorage()),
  storage: null,
});

/** How long a tab may hold the lock while another waits. A frozen tab never gives it back. */
const LEASE = 20 * SECOND;

/**
 * Run a task while no other tab runs one under the same name.
 *
 * Uses Web Locks if the browser has them and allows them. Pages over plain HTTP do not: there the
 * tabs use a lease in their shared storage. In rare cases two tabs get it; the store detects that
 * when it confirms the new session.
 */
export async function withLock<T>(
  name: string,
  storage: KeyValueStorage,
  locks: LockManager | false | undefined,
  task: () => Promise<T>,
): Promise<T> {
  let running: Promise<T> | undefined;
  // It rejects if the browser refuses, the task fails, or another tab takes the lock meanwhile.
  if (locks) await withWebLock(name, locks, () => (running = task())).catch(() => 0);
  return running ?? withLease(name, storage, task);
}

/** Wait for the lock. Take it from a tab that has held it for the length of a lease. */
async function withWebLock<T>(
  name: string,
  locks: LockManager,
  task: () => Promise<T>,
): Promise<T> {
  const findHolder = async () =>
    (await locks.query()).held?.find((lock) => lock.name === name)?.clientId;
  for (;;) {
    const holder = await findHolder();
    // Not at the same moment as other waiting tabs: two would take it from each other.
    const signal = AbortSignal.timeout(LEASE + Math.round(SECOND * Math.random()));
    try {
      return await locks.request(name, { signal }, task);
    } catch (error) {
      // It ends only the wait for the lock. Once the task runs, the error is the task's own.
      if (error !== signal.reason) throw error;
    }
    if (holder === (await findHolder())) return locks.request(name, { steal: true }, task);
  }
}

async function withLease<T>(
  name: string,
  storage: KeyValueStorage,
  task: () => Promise<T>,
): Promise<T> {
  const mine = `${Math.random()}`;
  const isMine = () => storage.getItem(name)?.startsWith(mine);
  while (!isMine()) {
    const left = Number(storage.getItem(name)?.split(" ")[1]) - Date.now();
    try {
      // A lease that ends later than a new one would was written by a wrong clock.
      if (!(left > 0 && left <= LEASE)) storage.setItem(name, `${mine} ${Date.now() + LEASE}`);
    } catch {
      return task(); // The storage is full.
    }
    await new Promise<void>((resolve) => later(50, resolve));
  }
  try {
    return await task();
  } finally {
    if (isMine()) storage.removeItem(name);
  }
}
