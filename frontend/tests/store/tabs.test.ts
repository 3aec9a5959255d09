/** All tabs of a browser share one session. */
import { describe, expect, test, vi } from "vitest";
import { createFakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  FakeLocks,
  FakeStorage,
  HOUR,
  MINUTE,
  openPage,
  openSession,
  pass,
  press,
  provideLocks,
  SECOND,
  sent,
  show,
  notifyTabs,
  UNKNOWN,
} from "../helpers.js";

controlTime();

const creations = (server: ReturnType<typeof createFakeServer>) =>
  sent(server).filter((line) => line === "POST sessions/").length;

describe.each([
  ["Web Locks", () => undefined],
  ["a lease in the storage, where there are no Web Locks", () => provideLocks(undefined)],
])("with %s", (_, prepare) => {
  test("tabs that start at the same time get one session, and no alert", async () => {
    prepare();
    const server = createFakeServer();
    const storage = new FakeStorage();
    const pages = Array.from({ length: 5 }, () =>
      openPage(server, { storage, autoStart: "interaction" }),
    );
    press();
    await pass(2 * SECOND);
    const { uuid } = server.session();
    for (const page of pages) {
      expect(page.now).toMatchObject({ status: "ready", uuid });
      expect(page.now.session).not.toBeNull();
    }
    expect(creations(server)).toBe(1);
    expect([...storage.values.keys()].sort()).toEqual(["session_support_code", "session_uuid"]);
    const reasons = pages.flatMap(({ changes }) => changes.map(([, , reason]) => reason));
    expect(reasons.sort()).toEqual(["other_tab", "other_tab", "other_tab", "other_tab", "started"]);
  });

  test("tabs that find the session ended at the same time get one new session", async () => {
    prepare();
    const server = createFakeServer();
    const first = openPage(server);
    void first.session.start();
    await pass(SECOND);
    const others = [1, 2, 3].map(() => openPage(server, { storage: first.storage }));
    await calm();
    server.close("ended");
    for (const { session } of [first, ...others]) void session.retry();
    await pass(2 * SECOND);
    for (const page of [first, ...others]) {
      expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    }
    expect(server.sessions).toHaveLength(2);
  });
});

describe("a frozen tab that holds the lock", () => {
  test("delays another tab once, by about 20 seconds", async () => {
    const locks = new FakeLocks();
    provideLocks(locks);
    const wake = locks.freeze();
    const server = createFakeServer();
    const page = openPage(server);
    void page.session.start();
    await pass(19 * SECOND);
    expect(page.now.status).toBe("starting");
    expect(server.requests).toEqual([]);
    await pass(3 * SECOND);
    expect(page.now.status).toBe("ready");
    await page.session.resetSession();
    wake();
    await calm();
    expect(page.changes.map(([, , reason]) => reason)).toEqual(["started", "reset"]);
    expect(server.sessions).toHaveLength(2);
  });

  test("does not let the waiting tabs create several sessions", async () => {
    let turns = 0;
    vi.spyOn(Math, "random").mockImplementation(() => (turns += 0.137) % 1);
    const locks = new FakeLocks();
    provideLocks(locks);
    locks.freeze();
    const server = createFakeServer();
    const storage = new FakeStorage();
    const pages = Array.from({ length: 3 }, () =>
      openPage(server, { storage, autoStart: "interaction" }),
    );
    press();
    await pass(45 * SECOND);
    expect(creations(server)).toBe(1);
    for (const page of pages) {
      expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    }
  });

  test("does not stop its own work when it continues", async () => {
    const locks = new FakeLocks();
    provideLocks(locks);
    const server = createFakeServer();
    const storage = new FakeStorage();
    const slow = openPage(server, { storage, timeout: 60 * SECOND });
    const other = openPage(server, { storage });
    const hold = server.hold({ method: "POST" });
    void slow.session.start();
    await calm();
    void other.session.start();
    await pass(22 * SECOND);
    hold.release();
    await calm();
    notifyTabs();
    await calm();
    const { uuid } = server.session();
    for (const page of [slow, other]) expect(page.now).toMatchObject({ status: "ready", uuid });
  });
});

describe("without a working lock", () => {
  /** A storage in which every tab gets the lease. */
  class LeakyStorage extends FakeStorage {
    override getItem(key: string): string | null {
      return key === "session_lock" ? null : super.getItem(key);
    }
  }

  test("a slower tab accepts the session of the faster one", async () => {
    const server = createFakeServer();
    const storage = new LeakyStorage();
    const late = openPage(server, { storage });
    const hold = server.hold({ path: "sessions/current/" });
    void late.session.start();
    await calm();
    expect(hold.count).toBe(1);
    const [mine] = server.sessions;
    server.own.cookie = null;
    const winner = server.browser();
    await winner.fetch("/api/v1/sessions/", { method: "POST" });
    server.own.cookie = winner.cookie;
    hold.release();
    await calm();
    expect(late.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(late.now.uuid).not.toBe(mine?.uuid);
  });
});

test("a reset in one tab reaches the others, and is confirmed there", async () => {
  const server = createFakeServer();
  const here = await openSession(server);
  const there = openPage(server, { storage: here.storage });
  await calm();
  const { uuid: before, supportCode } = here.now;
  await here.session.resetSession();
  notifyTabs();
  await calm();
  const { uuid } = server.session();
  expect(there.now).toMatchObject({ status: "ready", uuid, previousSupportCode: supportCode });
  expect(there.now.session?.uuid).toBe(uuid);
  expect(there.changes).toEqual([[before, uuid, "other_tab"]]);
  expect(there.states).not.toContain("reset_required");
  expect(server.sessions).toHaveLength(2);
});

test("an end in one tab reaches the others", async () => {
  const server = createFakeServer();
  const here = await openSession(server);
  const there = openPage(server, { storage: here.storage });
  await calm();
  const { uuid } = here.now;
  await here.session.endSession();
  notifyTabs();
  await calm();
  expect(there.now).toMatchObject({ status: "idle", uuid: null, session: null });
  expect(there.changes).toEqual([[uuid, null, "other_tab"]]);
});

test("a session known only by its cookie is reported as restored", async () => {
  const server = createFakeServer();
  const { uuid } = (await openSession(server)).now;
  await pass(2 * MINUTE);
  const page = await openSession(server);
  await calm();
  expect(page.changes).toEqual([[null, uuid, "restored"]]);
});

test("after its storage was cleared a browser continues by its cookie", async () => {
  const server = createFakeServer();
  const page = openPage(server, { autoStart: "interaction" });
  press();
  await calm();
  const { uuid } = page.now;
  page.storage.values.clear();
  notifyTabs(null);
  expect(page.now).toMatchObject({ status: "idle", supportCode: null });
  void page.session.start();
  await calm();
  expect(page.now).toMatchObject({ status: "ready", uuid });
  expect(server.sessions).toHaveLength(1);
});

test("other keys in the storage are ignored", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const sentBefore = server.requests.length;
  notifyTabs("theme");
  await calm();
  expect(server.requests).toHaveLength(sentBefore);
  page.storage.setItem("session_uuid", "nonsense");
  notifyTabs();
  expect(page.now.status).toBe("idle");
});

test("a mismatch resolved in one tab is resolved in the others", async () => {
  const server = createFakeServer();
  const first = await openSession(server);
  first.storage.setItem("session_uuid", UNKNOWN);
  const [here, there] = [1, 2].map(() => openPage(server, { storage: first.storage }));
  await calm();
  expect(there?.now.status).toBe("mismatch");
  await here?.session.continueSession();
  notifyTabs();
  await calm();
  expect(there?.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
});

test("a hidden tab follows at once, and confirms when it becomes visible", async () => {
  const server = createFakeServer();
  const here = await openSession(server);
  const there = openPage(server, { storage: here.storage });
  await calm();
  await here.session.resetSession();
  const sentBefore = server.requests.length;
  show("hidden");
  notifyTabs();
  await calm();
  expect(there.now).toMatchObject({ status: "ready", uuid: here.now.uuid, session: null });
  expect(server.requests).toHaveLength(sentBefore);
  show("visible");
  await calm();
  expect(there.now.session?.uuid).toBe(here.now.uuid);
});

test("a tab that missed a storage event follows when it wakes", async () => {
  const server = createFakeServer();
  const here = await openSession(server);
  const there = openPage(server, { storage: here.storage });
  await calm();
  there.close();
  await here.session.resetSession();
  there.open();
  await calm();
  expect(there.now).toMatchObject({ status: "ready", uuid: here.now.uuid });
});

test("start() accepts another tab's session", async () => {
  const server = createFakeServer();
  const storage = new FakeStorage();
  const late = openPage(server, { storage });
  const here = await openSession(server, { storage });
  await late.session.start();
  expect(late.now).toMatchObject({ status: "ready", uuid: here.now.uuid });
  expect(creations(server)).toBe(1);
});

test("an answer about the session before does not stop a tab from confirming the new one", async () => {
  const server = createFakeServer();
  const here = await openSession(server);
  const there = openPage(server, { storage: here.storage });
  await calm();
  const hold = server.hold({ method: "GET" });
  server.failNext({ method: "GET", code: "database_unavailable" });
  void there.session.retry();
  await calm();
  expect(hold.count).toBe(1);
  const reset = here.session.resetSession();
  await calm();
  notifyTabs();
  hold.release();
  await reset;
  await calm();
  expect(there.now).toMatchObject({ status: "ready", uuid: here.now.uuid });
  expect(there.now.session?.uuid).toBe(here.now.uuid);
});

describe("a tab that waits to retry", () => {
  test("creates no session after another tab has ended it", async () => {
    const server = createFakeServer();
    const here = await openSession(server);
    const there = openPage(server, { storage: here.storage });
    await calm();
    server.failNext();
    await there.session.retry();
    expect(there.now.status).toBe("offline");
    await here.session.endSession();
    notifyTabs();
    expect(there.now.status).toBe("idle");
    const sentBefore = server.requests.length;
    await pass(HOUR);
    expect(there.now.status).toBe("idle");
    expect(server.requests).toHaveLength(sentBefore);
  });

  test("creates no session after it has ended it", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext();
    await page.session.retry();
    expect(page.now.status).toBe("offline");
    await page.session.endSession();
    await pass(HOUR);
    expect(page.now.status).toBe("idle");
    expect(server.sessions).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('"Not you?" leaves no support code of the person before', () => {
  test.each(["after a reset that is on its way", "after an end that is on its way"])(
    "%s",
    async (way) => {
      const server = createFakeServer();
      const page = await openSession(server);
      const code = page.now.supportCode!;
      const first = /reset/.test(way) ? page.session.resetSession() : page.session.endSession();
      await Promise.all([first, page.session.resetSession("not_me")]);
      expect(page.storage.values.get("session_support_code") ?? "").not.toContain(code);
    },
  );

  test("in another tab that recovers a session before it hears of it", async () => {
    const server = createFakeServer();
    await openSession(server, { browser: server.browser() });
    const recovery = server.issueRecoveryCode();
    const page = await openSession(server);
    const other = openPage(server, { storage: page.storage });
    const code = page.now.supportCode!;
    await page.session.resetSession("not_me");
    await other.session.recover(recovery);
    expect(other.now.previousSupportCode).not.toBe(code);
    expect(page.storage.values.get("session_support_code")).not.toContain(code);
  });

  test("although no new session can be created", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.forget();
    server.failNext({ method: "POST", path: "sessions/" });
    await page.session.resetSession("not_me");
    expect(page.now.status).toBe("offline");
    page.close();
    expect(openPage(server, { storage: page.storage }).now.supportCode).toBeNull();
  });
});
