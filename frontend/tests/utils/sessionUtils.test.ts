/** Storages, locks and UUIDs. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  isSessionUUID,
  memoryCredentials,
  memoryStorage,
  probeStorage,
  storageCredentials,
  withLock,
} from "../../src/utils/sessionUtils.js";
import { FakeLocks, FakeStorage, pass } from "../helpers.js";

describe("a session UUID", () => {
  test("has one spelling", () => {
    const uuid = "3f2c8a10-9b7e-4c1d-8e2f-0123456789ab";
    expect(isSessionUUID(uuid)).toBe(true);
    const others = [
      uuid.toUpperCase(),
      `{${uuid}}`,
      uuid.replaceAll("-", ""),
      `${uuid}\n`,
      ` ${uuid}`,
    ];
    const versions = [uuid.replace("-4c1d", "-1c1d"), uuid.replace("-8e2f", "-ce2f"), "", null, 4];
    for (const text of [...others, ...versions]) expect(isSessionUUID(text)).toBe(false);
  });
});

describe("a storage", () => {
  test("that works is used, and left as it was", () => {
    const storage = new FakeStorage();
    expect(probeStorage(storage)).toBe(storage);
    expect(storage.values.size).toBe(0);
  });

  test.each([
    ["is not there", null],
    ["is full", Object.assign(new FakeStorage(), { full: true })],
  ])("that %s is not used", (_, storage) => {
    expect(probeStorage(storage)).toBeNull();
  });

  test("is the page's own, unless it is forbidden even to name", () => {
    expect(probeStorage(undefined)).toBe(localStorage);
    vi.spyOn(window, "localStorage", "get").mockImplementation(() => {
      throw new DOMException("denied", "SecurityError");
    });
    expect(probeStorage(undefined)).toBeNull();
    vi.restoreAllMocks();
  });

  test("in memory keeps texts until they are removed", () => {
    const storage = memoryStorage();
    storage.setItem("a", "1");
    expect(storage.getItem("a")).toBe("1");
    storage.removeItem("a");
    expect(storage.getItem("a")).toBeNull();
  });
});

describe("credentials", () => {
  test("in a storage come back from it, and take the UUID with them", () => {
    const storage = new FakeStorage();
    const credentials = storageCredentials(storage);
    expect(credentials.get()).toBeNull();
    credentials.set("mss1_a");
    expect(storageCredentials(storage).get()).toBe("mss1_a");
    expect(credentials.storage).toBe(storage);
    credentials.set(null);
    expect(storage.values.size).toBe(0);
  });

  test("in memory are stored nowhere else", () => {
    const credentials = memoryCredentials();
    credentials.set("mss1_a");
    expect(credentials.get()).toBe("mss1_a");
    expect(memoryCredentials().get()).toBeNull();
    expect(credentials.storage).toBeNull();
  });
});

describe("a lock", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  /** A task that says when it runs, and ends when it is told to. */
  function task(log: string[], name: string) {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const run = async () => {
      log.push(`${name} begins`);
      await ended;
      log.push(`${name} ends`);
      return name;
    };
    return { run, end };
  }

  test("is the browser's where it has one", async () => {
    const locks = new FakeLocks();
    const storage = new FakeStorage();
    const work = withLock("l", storage, locks as unknown as LockManager, async () => 7);
    expect(await work).toBe(7);
    expect(locks.names).toEqual(["l"]);
    expect(storage.values.size).toBe(0);
  });

  test("is otherwise a lease in the storage, for one tab after the other", async () => {
    const storage = new FakeStorage();
    const log: string[] = [];
    const [a, b] = [task(log, "a"), task(log, "b")];
    const first = withLock("l", storage, undefined, a.run);
    const second = withLock("l", memoryView(storage), undefined, b.run);
    await pass(1000);
    expect(log).toEqual(["a begins"]);
    a.end();
    b.end();
    await pass(1000);
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
    expect(log).toEqual(["a begins", "a ends", "b begins", "b ends"]);
    expect(storage.values.size).toBe(0);
  });

  /** The same storage seen by another tab. */
  const memoryView = (storage: FakeStorage) => ({
    getItem: (key: string) => storage.getItem(key),
    setItem: (key: string, value: string) => storage.setItem(key, value),
    removeItem: (key: string) => storage.removeItem(key),
  });

  test("of a tab that was closed is over in 20 seconds", async () => {
    const storage = new FakeStorage();
    storage.setItem("l", `gone ${Date.now() + 20_000}`);
    const run = vi.fn(async () => undefined);
    const work = withLock("l", storage, undefined, run);
    await pass(19_000);
    expect(run).not.toHaveBeenCalled();
    await pass(2_000);
    await work;
    expect(run).toHaveBeenCalledOnce();
  });

  test.each([
    ["refused by the browser", "SecurityError"],
    ["taken before the task began", "AbortError"],
  ])("that is %s is replaced by a lease", async (_, name) => {
    const locks = new FakeLocks();
    vi.spyOn(locks, "request").mockRejectedValue(new DOMException("no", name));
    const work = withLock("l", memoryStorage(), locks as unknown as LockManager, async () => 7);
    await pass(100);
    expect(await work).toBe(7);
  });

  test("that ends later than a new one would is ignored", async () => {
    const storage = new FakeStorage();
    storage.setItem("l", `gone ${Date.now() + 20_001}`);
    const work = withLock("l", storage, undefined, async () => "done");
    await pass(100);
    expect(await work).toBe("done");
  });

  test("whose value is invalid is ignored", async () => {
    const storage = new FakeStorage();
    storage.setItem("l", "nonsense");
    const work = withLock("l", storage, undefined, async () => "done");
    await pass(100);
    expect(await work).toBe("done");
  });

  test("is given back when the task fails, but not when another tab has it by then", async () => {
    const storage = memoryStorage();
    const fails = withLock("l", storage, undefined, async () => {
      throw new Error("no");
    }).catch((error: unknown) => (error as Error).message);
    await pass(100);
    expect(await fails).toBe("no");
    expect(storage.getItem("l")).toBeNull();
    const lapses = withLock("l", storage, undefined, async () => storage.setItem("l", "other 99"));
    await pass(100);
    await lapses;
    expect(storage.getItem("l")).toBe("other 99");
  });

  test("runs without a lease in a storage that is full", async () => {
    const storage = Object.assign(new FakeStorage(), { full: true });
    expect(await withLock("l", storage, undefined, async () => "done")).toBe("done");
  });
});
