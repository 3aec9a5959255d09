/** Every wait is longer than nothing and at most an hour, whatever a server or the page says. */
import { describe, expect, test, vi } from "vitest";
import { SessionError } from "../../src/api/http.js";
import { createFakeServer, type Failure } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  DAY,
  HOUR,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
} from "../helpers.js";

controlTime();

const ABSURD = ["1e9", "99999999999999999999", "Infinity", "Fri, 31 Dec 9999 23:59:59 GMT"];
const busy = (retryAfter: string, which: Failure = {}): Failure => ({
  code: "rate_limited",
  headers: { "Retry-After": retryAfter },
  ...which,
});

/** Check every timer that is started from now on. */
function watchTimers() {
  const timers = vi.spyOn(globalThis, "setTimeout");
  return () => {
    for (const [, wait] of timers.mock.calls) {
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThanOrEqual(HOUR);
    }
  };
}

describe.each(ABSURD)("Retry-After: %s", (retryAfter) => {
  test("makes the session wait for an hour, and says so", async () => {
    const check = watchTimers();
    const server = createFakeServer();
    server.failNext(busy(retryAfter));
    const page = await openSession(server);
    expect(page.now).toMatchObject({
      status: "offline",
      retryAt: Date.now() + HOUR,
      error: { retryAfter: HOUR / SECOND },
    });
    await pass(HOUR - 1);
    expect(server.requests).toHaveLength(1);
    await pass(1);
    expect(page.now.status).toBe("ready");
    check();
  });

  test("makes a file wait for an hour", async () => {
    const check = watchTimers();
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext(busy(retryAfter, { method: "POST", path: "uploads/" }));
    page.files.add([pdf()]);
    await pass(HOUR - 1);
    expect(page.items).toMatchObject([{ status: "waiting", error: { retryAfter: 3600 } }]);
    expect(sent(server).filter((line) => line === "POST uploads/")).toHaveLength(1);
    await pass(1);
    expect(page.items).toMatchObject([{ status: "stored" }]);
    check();
  });

  test("of the list is shown for an hour", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext(busy(retryAfter, { path: "uploads/" }));
    page.showFiles();
    await pass(HOUR - 1);
    expect(page.files.getSnapshot().error).toMatchObject({ retryAfter: 3600 });
    expect(sent(server).filter((line) => line === "GET uploads/")).toHaveLength(1);
    await pass(HOUR); // Up to a half is added at random.
    expect(page.files.getSnapshot()).toMatchObject({ error: null, isLoaded: true });
  });
});

test("a file that the visitor sends again waits as long as the latest answer says", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const sendings = () => sent(server).filter((line) => line === "POST uploads/").length;
  for (const seconds of ["60", "600"]) {
    server.failNext(busy(seconds, { method: "POST", path: "uploads/" }));
  }
  page.files.add([pdf()]);
  await calm();
  page.files.retry(page.items[0]!.key);
  await pass(599 * SECOND);
  expect(sendings()).toBe(2);
  await pass(301 * SECOND); // Up to a half is added at random.
  expect(page.items).toMatchObject([{ status: "stored" }]);
});

test("a Retry-After of less than a second is a second", async () => {
  const server = createFakeServer();
  for (let index = 0; index < 100; index++) server.failNext(busy("0.001"));
  await openSession(server);
  await pass(10 * SECOND);
  expect(server.requests.length).toBeLessThanOrEqual(11);
});

test.each([Infinity, -5, NaN])("a transport's own retryAfter of %s is bounded", async (value) => {
  const check = watchTimers();
  const server = createFakeServer();
  const transport = vi.fn(() => Promise.reject(new SessionError("network", 0, {}, value)));
  const page = await openSession(server, { uploads: { transport } });
  page.files.add([pdf()]);
  await pass(900);
  expect(transport).toHaveBeenCalledTimes(1);
  await pass(DAY);
  expect(transport).toHaveBeenCalledTimes(4);
  check();
});

test("a list that is refused again and again is not asked for again and again", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  for (let index = 0; index < 100; index++) {
    server.failNext({ path: "uploads/", code: "session_invalid" });
  }
  page.showFiles();
  await pass(HOUR);
  expect(page.files.getSnapshot().error).toMatchObject({ code: "session_invalid" });
  expect(sent(server).filter((line) => line === "GET uploads/")).toHaveLength(1);
});

test("a list whose pages never end is unreadable", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const body = JSON.stringify({ results: [], next: "/?cursor=more", previous: null });
  for (let index = 0; index < 1000; index++) {
    server.failNext({ path: "uploads/", status: 200, body });
  }
  page.showFiles();
  for (let turns = 0; turns < 50; turns++) await calm();
  expect(page.files.getSnapshot().error).toMatchObject({ code: "unreadable" });
});

test("a fetch that ignores its signal times out as well", async () => {
  const page = openPage(createFakeServer(), { fetch: () => new Promise(() => undefined) });
  void page.session.start();
  await pass(15 * SECOND);
  expect(page.now).toMatchObject({ status: "offline", error: { code: "timeout" } });
});

describe.each([Infinity, NaN, 1e12])("a time of %s", (value) => {
  test("as timeout waits for an hour", async () => {
    const check = watchTimers();
    const server = createFakeServer();
    const hold = server.hold();
    const credentialStore = {
      get: () => new Promise<null>((resolve) => setTimeout(() => resolve(null), SECOND)),
      set: () => undefined,
    };
    const page = openPage(server, { timeout: value, credentialStore });
    void page.session.start();
    await pass(30 * SECOND);
    expect(hold.count).toBe(1);
    expect(page.now.status).toBe("starting");
    await pass(HOUR - 29 * SECOND);
    expect(page.now).toMatchObject({ status: "offline", error: { code: "timeout" } });
    hold.release();
    check();
  });
});

test.each([Infinity, NaN, 1e12, -1e12, 0])(
  "a session that expires %s milliseconds early is checked at its end",
  async (expiringWithin) => {
    const check = watchTimers();
    const server = createFakeServer({ lifetime: 1.5 * HOUR });
    const page = await openSession(server, { expiringWithin });
    await pass(1.4 * HOUR);
    expect(server.requests).toHaveLength(2);
    server.addFile("offer.pdf");
    await pass(HOUR);
    expect(page.now.status).toBe("reset_required");
    check();
  },
);

test("a session that ends in the year 9999 is waited for hour by hour", async () => {
  const check = watchTimers();
  const server = createFakeServer({ lifetime: Date.UTC(9999, 11, 31) - Date.now() });
  const page = await openSession(server);
  await pass(2 * DAY);
  expect(page.now.status).toBe("ready");
  expect(server.requests).toHaveLength(2);
  check();
});
