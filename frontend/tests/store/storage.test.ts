/** Where the UUID and the proof are stored, and what happens if the storage fails. */
import { describe, expect, test, vi } from "vitest";
import type { CredentialStore } from "../../src/utils/sessionUtils.js";
import { createFakeServer } from "../../src/testing/index.js";
import { memoryCredentials, storageCredentials } from "../../src/utils/sessionUtils.js";
import {
  calm,
  controlTime,
  FakeStorage,
  HOUR,
  notifyTabs,
  openPage,
  openSession,
  pass,
  press,
  provideLocks,
  SECOND,
  type Page,
} from "../helpers.js";

controlTime();

/** Start a page whose lock may take a moment. */
async function begin(page: ReturnType<typeof openPage>) {
  void page.session.start();
  await pass(SECOND);
}

describe("a storage", () => {
  test("that is full from the start is replaced by memory, and the page says so", async () => {
    const server = createFakeServer();
    const storage = Object.assign(new FakeStorage(), { full: true });
    const page = openPage(server, { storage });
    expect(page.now).toMatchObject({ status: "idle", persistent: false });
    await begin(page);
    expect(page.now).toMatchObject({ status: "ready", persistent: false });
    expect(page.now.uuid).toBe(server.session().uuid);
    expect(storage.values.size).toBe(0);
    notifyTabs();
    await calm();
    expect(page.now.status).toBe("ready");
  });

  test.each([
    ["with", true],
    ["without", false],
  ])("that is full by the time it is needed is replaced, %s Web Locks", async (_, hasLocks) => {
    if (!hasLocks) provideLocks(undefined);
    const server = createFakeServer();
    const page = openPage(server);
    expect(page.now.persistent).toBe(true);
    page.storage.full = true;
    await begin(page);
    expect(page.now).toMatchObject({ status: "ready", persistent: false });
    expect(page.now.uuid).toBe(server.session().uuid);
    await page.session.retry();
    expect(page.now.status).toBe("ready");
    const before = page.now.uuid;
    void page.session.resetSession();
    await pass(SECOND);
    expect(page.changes.at(-1)).toEqual([before, server.session().uuid, "reset"]);
  });

  test.each([
    ["a reset", ({ session }: Page) => session.resetSession("not_me")],
    ["an end", ({ session }: Page) => session.endSession()],
    ["an erasure", ({ session }: Page) => session.endSession(true)],
  ])("that is full at %s does not keep the previous session", async (_, leave) => {
    const server = createFakeServer();
    const page = await openSession(server, { autoStart: "interaction" });
    const other = openPage(server, { storage: page.storage, autoStart: "interaction" });
    await calm();
    page.storage.full = true;
    await leave(page);
    expect(page.storage.values.get("session_uuid")).toBeUndefined();
    expect(page.storage.values.get("session_support_code")).toBeUndefined();
    notifyTabs();
    await calm();
    expect(other.now).toMatchObject({ status: "idle", supportCode: null });
    press();
    await pass(SECOND);
    expect(other.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test("that was cleared elsewhere lets the next interaction begin a session", async () => {
    const server = createFakeServer();
    const page = await openSession(server, { autoStart: "interaction" });
    const clearAndPress = async () => {
      const { uuid } = page.now;
      page.storage.values.clear();
      notifyTabs(null);
      await pass(HOUR);
      expect(page.now.status).toBe("idle");
      press();
      await calm();
      expect(page.now).toMatchObject({ status: "ready", uuid });
    };
    await clearAndPress();
    await clearAndPress();
    await page.session.endSession();
    await openSession(server, { storage: page.storage });
    notifyTabs();
    await calm();
    await clearAndPress();
  });

  test("that was cleared elsewhere starts no session if the page starts it by hand", async () => {
    const server = createFakeServer();
    const page = await openSession(server, { autoStart: "manual" });
    page.storage.values.clear();
    notifyTabs(null);
    press();
    await calm();
    expect(page.now.status).toBe("idle");
  });

  test("that is forbidden is replaced by memory", async () => {
    const server = createFakeServer();
    const forbidden = vi.spyOn(window, "localStorage", "get").mockImplementation(() => {
      throw new DOMException("denied", "SecurityError");
    });
    const { createSessionStore } = await import("../../src/store/sessionStore.js");
    const store = createSessionStore({ fetch: server.fetch });
    expect(store.getSnapshot()).toMatchObject({ status: "idle", persistent: false });
    void store.start();
    await pass(SECOND);
    expect(store.getSnapshot()).toMatchObject({ status: "ready", uuid: server.session().uuid });
    forbidden.mockRestore();
  });
});

describe("a proof kept by the page", () => {
  test("in memory does not survive a reload, and says so", async () => {
    const server = createFakeServer();
    const page = openPage(server, { credentialStore: memoryCredentials() });
    await begin(page);
    expect(page.now).toMatchObject({ status: "ready", persistent: false });
    expect(server.requests.map(({ path }) => path)).toEqual(["sessions/", "sessions/current/"]);
    expect(server.requests[0]?.body).toEqual({ credential: "bearer" });
    expect(server.own.cookie).toBeNull();
    expect(localStorage.length).toBe(0);
    const again = openPage(server, { credentialStore: memoryCredentials() });
    expect(again.now.status).toBe("idle");
  });

  test("in sessionStorage survives a reload, with the UUID beside it", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    const page = openPage(server, { credentialStore: storageCredentials(storage) });
    await begin(page);
    const { uuid } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, persistent: true });
    expect(storage.uuid).toBe(uuid);
    page.close();
    const again = openPage(server, { credentialStore: storageCredentials(storage) });
    expect(again.now).toMatchObject({ status: "ready", uuid });
    await calm();
    expect(again.now.session?.uuid).toBe(uuid);
    await again.session.endSession();
    expect(storage.getItem("session_token")).toBeNull();
    expect(storage.uuid).toBeNull();
  });

  test("in an asynchronous keychain is read, renewed and deleted", async () => {
    const server = createFakeServer();
    let kept: string | null = null;
    const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
    const credentialStore: CredentialStore = {
      get: async () => {
        await wait();
        return kept;
      },
      set: async (token) => {
        await wait();
        kept = token;
      },
    };
    const page = openPage(server, { credentialStore });
    await begin(page);
    expect(page.now).toMatchObject({ status: "ready", persistent: true });
    expect(localStorage.getItem("session_uuid")).toBe(page.now.uuid);
    const first = kept;
    void page.session.identify({ email: "ada@example.com" });
    await pass(SECOND);
    expect(kept).not.toBe(first);
    void page.session.retry();
    await pass(SECOND);
    expect(page.now).toMatchObject({ status: "ready", session: { email: "ada@example.com" } });
    void page.session.endSession();
    await pass(SECOND);
    expect(kept).toBeNull();
    expect(page.now.status).toBe("idle");
    localStorage.clear();
  });

  test("that is lost while its UUID stays is replaced without an alert", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    const page = openPage(server, { credentialStore: storageCredentials(storage) });
    await begin(page);
    const { uuid } = page.now;
    storage.removeItem("session_token");
    await page.session.retry();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.changes.at(-1)).toEqual([uuid, page.now.uuid, "started"]);
  });

  /** A store whose methods may fail or hang. */
  function brokenStore(get: () => unknown, set: (token: string | null) => unknown) {
    const inner = memoryCredentials();
    const store = {
      isBroken: true,
      get: () => (store.isBroken && get()) || inner.get(),
      set: (token: string | null) => (store.isBroken && set(token)) || inner.set(token),
    };
    return store as CredentialStore & { isBroken: boolean };
  }
  const nothing = () => undefined;
  const hang = () => new Promise<never>(nothing);
  const fail = () => {
    throw new Error("The keychain is locked.");
  };

  test.each([
    ["hangs", hang],
    ["throws", fail],
  ])("whose get() %s is an error of its own, and is asked again", async (_, get) => {
    const server = createFakeServer();
    const credentialStore = brokenStore(get, nothing);
    const page = openPage(server, { credentialStore });
    void page.session.start();
    await pass(16 * SECOND);
    expect(page.now).toMatchObject({ status: "failed", error: { code: "credential_store" } });
    expect(server.requests).toEqual([]);
    credentialStore.isBroken = false;
    void page.session.retry();
    await pass(SECOND);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test.each([
    ["hangs", hang],
    ["throws", fail],
  ])("whose set() %s creates no further sessions", async (_, set) => {
    const server = createFakeServer();
    const credentialStore = brokenStore(nothing, set);
    const page = openPage(server, { credentialStore });
    for (let tries = 0; tries < 3; tries++) {
      void page.session.retry();
      await pass(16 * SECOND);
      expect(page.now).toMatchObject({ status: "failed", error: { code: "credential_store" } });
    }
    credentialStore.isBroken = false;
    void page.session.retry();
    await pass(SECOND);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(1);
  });

  test("that kept no token keeps the newer one of another tab", async () => {
    const server = createFakeServer();
    const credentialStore = brokenStore(nothing, fail);
    const storage = new FakeStorage();
    const page = openPage(server, { credentialStore, storage });
    await page.session.start();
    expect(page.now.status).toBe("failed");
    credentialStore.isBroken = false;
    const other = await openSession(server, { credentialStore, storage });
    const { uuid } = other.now;
    await page.session.retry();
    await other.session.retry();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(other.now).toMatchObject({ status: "ready", uuid });
  });

  test("that cannot be deleted does not keep a session from ending", async () => {
    const server = createFakeServer();
    const credentialStore = brokenStore(nothing, (token) => (token ? undefined : fail()));
    const page = openPage(server, { credentialStore });
    await begin(page);
    await page.session.endSession();
    await calm();
    expect(page.now.status).toBe("idle");
    expect(server.session().status).toBe("ended");
  });
});
