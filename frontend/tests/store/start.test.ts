/** How a session is created. */
import { describe, expect, test, vi } from "vitest";
import { createSessionStore } from "../../src/store/sessionStore.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  FakeStorage,
  MINUTE,
  openPage,
  openSession,
  pass,
  press,
  provideLocks,
  sent,
  SECOND,
  UNKNOWN,
} from "../helpers.js";

controlTime();

const BEGINNING = ["POST sessions/", "GET sessions/current/"];

describe("without cookie and UUID", () => {
  test("a page is idle and sends no request", async () => {
    const server = createFakeServer();
    const page = openPage(server, { autoStart: "interaction" });
    await pass(600 * SECOND);
    expect(page.now).toMatchObject({ status: "idle", uuid: null, session: null, persistent: true });
    expect(page.now).toMatchObject({ supportCode: null, previousSupportCode: null });
    expect(server.requests).toEqual([]);
  });

  test.each(["click", "keydown"])("a session begins at the first %s, once", async (type) => {
    const server = createFakeServer();
    const page = openPage(server, { autoStart: "interaction" });
    document.dispatchEvent(new Event(type));
    document.dispatchEvent(new Event(type));
    expect(page.now).toMatchObject({ status: "starting", uuid: null });
    await calm();
    const { uuid, supportCode } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, supportCode });
    expect(page.now.session?.limits.max_files).toBe(3);
    expect(page.storage.uuid).toBe(uuid);
    expect(page.states).toEqual(["starting", "ready"]);
    expect(page.changes).toEqual([[null, uuid, "started"]]);
    press();
    await calm();
    expect(sent(server)).toEqual(BEGINNING);
    expect(server.requests[0]?.body).toEqual({ credential: "cookie" });
  });

  test('autoStart "load" creates a session at once', async () => {
    const server = createFakeServer();
    const page = openPage(server, { autoStart: "load" });
    await calm();
    expect(page.now.status).toBe("ready");
    expect(sent(server)).toEqual(BEGINNING);
  });

  test('autoStart "manual" creates a session only by start()', async () => {
    const server = createFakeServer();
    const page = openPage(server, { autoStart: "manual" });
    press();
    await calm();
    expect(page.now.status).toBe("idle");
    await Promise.all([page.session.start(), page.session.start(), page.session.retry()]);
    expect(page.now.status).toBe("ready");
    expect(sent(server)).toEqual(BEGINNING);
  });

  test("a stored text that is not a UUID is ignored", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    storage.setItem("session_uuid", "../../etc");
    const page = openPage(server, { storage });
    expect(page.now.status).toBe("idle");
    await page.session.start();
    expect(storage.uuid).toBe(server.session().uuid);
  });
});

test("a valid cookie without a UUID restores the same session", async () => {
  const server = createFakeServer();
  const before = await openSession(server);
  before.close();
  const page = await openSession(server, { storage: new FakeStorage() });
  expect(page.now).toMatchObject({ status: "ready", uuid: before.now.uuid });
  expect(page.storage.uuid).toBe(before.now.uuid);
  expect(server.sessions).toHaveLength(1);
});

describe("after a reload", () => {
  test("the UUID is there at once and is confirmed in the background", async () => {
    const server = createFakeServer();
    const { storage, now: before, close } = await openSession(server);
    close();
    const hold = server.hold();
    const page = openPage(server, { storage });
    const { uuid, supportCode } = before;
    expect(page.now).toMatchObject({ status: "ready", uuid, supportCode, session: null });
    await calm();
    hold.release();
    await calm();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.now.session?.uuid).toBe(uuid);
    expect(page.changes).toEqual([]);
    expect(sent(server, 2)).toEqual(["GET sessions/current/"]);
  });

  test("the UUID is available while the network never answers", async () => {
    const server = createFakeServer();
    const { storage, now: before, close } = await openSession(server);
    close();
    server.hold();
    const page = openPage(server, { storage });
    for (let seconds = 0; seconds < 60; seconds++) {
      expect(page.now.uuid).toBe(before.uuid);
      await pass(SECOND);
    }
    expect(page.now).toMatchObject({ status: "offline", uuid: before.uuid });
    expect(page.storage.uuid).toBe(before.uuid);
    expect(await page.session.withSession(async (uuid) => uuid)).toBe(before.uuid);
  });
});

describe("a UUID without a cookie", () => {
  test("creates a new session without an alert, and keeps the old support code", async () => {
    const server = createFakeServer();
    const { storage, now: before, close } = await openSession(server);
    close();
    server.own.cookie = null;
    const page = openPage(server, { storage });
    await calm();
    const { uuid, supportCode } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, supportCode, persistent: true });
    expect(page.now.previousSupportCode).toBe(before.supportCode);
    expect(page.changes).toEqual([[before.uuid, uuid, "started"]]);
    expect(server.sessions).toHaveLength(2);
  });

  test("and without a support code creates a new session without an old code", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    storage.setItem("session_uuid", UNKNOWN);
    const page = openPage(server, { storage });
    await calm();
    expect(page.now).toMatchObject({ status: "ready", previousSupportCode: null });
    expect(page.changes).toEqual([[UNKNOWN, server.session().uuid, "started"]]);
  });
});

describe("a browser that refuses cookies", () => {
  test("gets one bearer token in memory", async () => {
    const server = createFakeServer();
    const browser = server.browser({ cookies: false });
    const page = await openSession(server, { browser });
    const { uuid } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, persistent: false });
    expect(sent(server)).toEqual([...BEGINNING, ...BEGINNING]);
    expect(server.requests[2]?.body).toEqual({ credential: "bearer" });
    expect(server.requests[3]?.headers.get("Authorization")).toMatch(/^Bearer mss1_/);
    expect(page.changes).toEqual([[null, uuid, "started"]]);
    expect(page.storage.uuid).toBeNull();
    await page.session.retry();
    await page.session.identify({ name: "Ada" });
    await page.session.retry();
    expect(page.now.session?.name).toBe("Ada");
    expect(sent(server, 4).filter((line) => line === "POST sessions/")).toEqual([]);
  });

  test("and drops tokens fails after one try", async () => {
    const server = createFakeServer();
    const { fetch } = server.browser({ cookies: false });
    const page = openPage(server, {
      fetch: (input, init) =>
        fetch(input, { ...init, headers: { "Content-Type": "application/json" } }),
    });
    await page.session.start();
    await pass(600 * SECOND);
    expect(page.now).toMatchObject({ status: "failed", error: { code: "session_required" } });
    expect(sent(server)).toEqual([...BEGINNING, ...BEGINNING]);
    void page.session.retry();
    await pass(SECOND);
    expect(sent(server, 4)).toEqual(BEGINNING);
  });

  test("with an old UUID gets a session, and the old UUID stays stored", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    storage.setItem("session_uuid", UNKNOWN);
    storage.setItem("session_support_code", "ABCD-1234");
    const page = openPage(server, { storage, browser: server.browser({ cookies: false }) });
    await calm();
    expect(page.now).toMatchObject({ status: "ready", persistent: false });
    expect(page.now.previousSupportCode).toBe("ABCD-1234");
    expect(storage.uuid).toBe(UNKNOWN);
    expect(sent(server)).toHaveLength(6);
  });
});

test("a page that closes during the start leaves nothing behind, and knows the session later", async () => {
  const server = createFakeServer();
  const hold = server.hold();
  const page = openPage(server);
  const started = page.session.start();
  await calm();
  page.close();
  hold.release();
  await started;
  expect(page.states).toEqual(["starting"]);
  expect(vi.getTimerCount()).toBe(0);
  expect(page.now.status).toBe("ready");
  page.open();
  await calm();
  expect(page.now.status).toBe("ready");
  expect(server.sessions).toHaveLength(1);
});

describe("a creation whose answer is late", () => {
  /** A page for which sessions are created, but the answers and their cookies do not arrive yet. */
  function openSlow(server: FakeServer, storage = new FakeStorage()) {
    const kept: (() => void)[] = [];
    const page = openPage(server, {
      storage,
      timeout: MINUTE,
      fetch: async (input, init) => {
        if (init?.method !== "POST") return server.fetch(input, init);
        const late = server.browser();
        const response = await late.fetch(input, init);
        await new Promise<void>((go) => kept.push(go));
        server.own.cookie = late.cookie;
        return response;
      },
    });
    return { page, kept };
  }

  test("does not replace the session that the page shows meanwhile", async () => {
    provideLocks(undefined);
    const server = createFakeServer();
    const { page, kept } = openSlow(server);
    const started = page.session.start();
    await pass(SECOND);
    page.storage.values.clear(); // And with it what makes other work wait.
    const other = openPage(server);
    void other.session.start();
    void page.session.continueSession();
    await pass(SECOND);
    const { uuid } = other.now;
    expect(page.now).toMatchObject({ status: "ready", uuid });
    kept.splice(0).forEach((go) => go());
    await started;
    await pass(SECOND);
    expect(page.now).toMatchObject({ status: "mismatch", uuid });
  });

  test("does not delay work on the session that the page shows meanwhile", async () => {
    const server = createFakeServer();
    await openSession(server);
    const { page, kept } = openSlow(server);
    void page.session.start();
    await calm();
    void page.session.continueSession(); // Takes the turn of the start.
    await pass(25 * SECOND);
    expect(page.now.status).toBe("ready");
    void page.session.identify({ name: "Ada" });
    await calm();
    expect(kept).toHaveLength(1);
    expect(server.session(page.now.uuid!).name).toBe("Ada");
  });

  test("is not repeated by the work that takes its turn", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    storage.setItem("session_uuid", UNKNOWN);
    const { page, kept } = openSlow(server, storage);
    await calm();
    expect(kept).toHaveLength(1);
    const started = page.session.start();
    await pass(25 * SECOND);
    expect(sent(server).at(-1)).toBe("GET sessions/current/");
    kept.splice(0).forEach((go) => go());
    await started;
    expect(server.sessions).toHaveLength(1);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });
});

test("subscribing twice, as StrictMode does, creates one session", async () => {
  const server = createFakeServer();
  const page = openPage(server, { autoStart: "load" });
  page.close();
  page.open();
  await calm();
  expect(page.now.status).toBe("ready");
  expect(sent(server)).toEqual(BEGINNING);
});

test("a store without subscribers does nothing", async () => {
  const server = createFakeServer();
  const page = openPage(server, { autoStart: "interaction" });
  const end = page.session.subscribe(() => undefined);
  page.close();
  end();
  end();
  press();
  window.dispatchEvent(new Event("online"));
  await pass(600 * SECOND);
  expect(server.requests).toEqual([]);
  expect(page.session.getServerSnapshot()).toMatchObject({ status: "idle", uuid: null });
});

test("without options it lives in localStorage and asks the page's own host", async () => {
  const server = createFakeServer();
  vi.stubGlobal("fetch", server.fetch);
  const store = createSessionStore();
  const end = store.subscribe(() => undefined);
  await store.start();
  end();
  expect(store.http.baseUrl).toBe("/api/v1/");
  expect(localStorage.getItem("session_uuid")).toBe(server.session().uuid);
  localStorage.clear();
});
