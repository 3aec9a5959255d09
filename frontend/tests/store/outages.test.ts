/** Failures that are not refusals of the API: the store retries, and nothing is lost. */
import { describe, expect, test, vi } from "vitest";
import { createFakeServer, type Failure, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  DAY,
  HOUR,
  MINUTE,
  openPage,
  openSession,
  pass,
  SECOND,
  sent,
  show,
} from "../helpers.js";

controlTime();

const OUTAGES: [string, Failure, string][] = [
  ["429", { code: "rate_limited" }, "rate_limited"],
  ["503", { code: "database_unavailable" }, "database_unavailable"],
  ["500", { code: "internal_error" }, "internal_error"],
  ["a proxy's page", { status: 502, body: "<html>" }, "unreadable"],
  ["a captive portal", { status: 200, body: "<html>sign in" }, "unreadable"],
  ["cut JSON", { status: 200, body: '{"uuid": "' }, "unreadable"],
  ["no network", {}, "network"],
  ["an answer that is lost", { arrives: true }, "network"],
];

/** After the longest Retry-After of these, with what the package adds at random. */
const LONGEST = 2 * MINUTE;

describe.each(OUTAGES)("%s", (_, failure, code) => {
  test("while a session is created is retried", async () => {
    const server = createFakeServer();
    server.failNext(failure);
    const page = await openSession(server);
    expect(page.now).toMatchObject({ status: "offline", uuid: null, error: { code } });
    await pass(LONGEST);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.states).toEqual(["starting", "offline", "starting", "ready"]);
  });

  test("while a new session is confirmed is retried, and creates no second session", async () => {
    const server = createFakeServer();
    server.failNext({ ...failure, method: "GET" });
    const page = await openSession(server);
    expect(page.now).toMatchObject({ status: "offline", error: { code } });
    await pass(LONGEST);
    expect(page.now.status).toBe("ready");
    expect(server.sessions).toHaveLength(1);
  });

  test("after a reload keeps the UUID", async () => {
    const server = createFakeServer();
    const { storage, now: before, close } = await openSession(server);
    close();
    server.failNext(failure);
    const page = openPage(server, { storage });
    await calm();
    const { uuid, supportCode } = before;
    expect(page.now).toMatchObject({ status: "offline", uuid, supportCode, error: { code } });
    expect(storage.uuid).toBe(uuid);
    await pass(LONGEST);
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.changes).toEqual([]);
    expect(server.sessions).toHaveLength(1);
  });
});

test("no response within 15 seconds is a timeout", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const hold = server.hold();
  void page.session.retry();
  await pass(15 * SECOND - 1);
  expect(page.now.status).toBe("ready");
  await pass(1);
  expect(page.now).toMatchObject({ status: "offline", error: { code: "timeout" } });
  hold.release();
  await pass(2 * SECOND);
  expect(page.now.status).toBe("ready");
});

test("a permanent refusal is shown, and retried only by retry()", async () => {
  const server = createFakeServer();
  server.failNext({ code: "origin_not_allowed" });
  const page = await openSession(server);
  expect(page.now).toMatchObject({ status: "failed", uuid: null });
  await pass(DAY);
  show("visible");
  await calm();
  expect(server.requests).toHaveLength(1);
  await page.session.retry();
  expect(page.now.status).toBe("ready");
});

describe("the wait", () => {
  /** Seconds until each of the next tries, while the server fails. */
  async function waits(server: FakeServer, failure: Failure, count: number): Promise<number[]> {
    const seconds: number[] = [];
    for (let index = 0; index < count + 1; index++) server.failNext(failure);
    const page = await openSession(server);
    for (let index = 0; index < count; index++) {
      const began = Date.now();
      const before = server.requests.length;
      expect(page.now).toMatchObject({ status: "offline" });
      const { retryAt } = page.now as { retryAt: number };
      while (server.requests.length === before) await pass(100);
      seconds.push((retryAt - began) / SECOND);
      expect(Math.abs(Date.now() - retryAt)).toBeLessThanOrEqual(100);
    }
    return seconds;
  }

  test("doubles from one second to a minute", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    expect(await waits(createFakeServer(), {}, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  test("is spread by up to a half", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    const [first, second] = await waits(createFakeServer(), {}, 2);
    expect(first).toBeCloseTo(1.5, 2);
    expect(second).toBeCloseTo(3, 2);
  });

  test.each([
    ["seconds", () => "7", 7],
    ["a date", () => new Date(Date.now() + 30_000).toUTCString(), 30],
  ])("is what Retry-After says in %s, and never less", async (_, header, seconds) => {
    vi.useFakeTimers({
      now: Date.UTC(2026, 10, 22),
      toFake: ["setTimeout", "clearTimeout", "Date"],
    });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const failure = { code: "rate_limited", headers: { "Retry-After": header() } } as const;
    expect(await waits(createFakeServer(), failure, 1)).toEqual([seconds * 1.25]);
  });

  test.each(["0", "soon", "-3", "Thu, 01 Jan 2026 00:00:00 GMT"])(
    "sends few requests where Retry-After is %s",
    async (value) => {
      vi.spyOn(Math, "random").mockReturnValue(0);
      const failure = { code: "rate_limited", headers: { "Retry-After": value } } as const;
      expect(await waits(createFakeServer(), failure, 3)).toEqual([1, 2, 4]);
    },
  );

  test("of days is split into hours, because longer timers are not reliable", async () => {
    const server = createFakeServer();
    server.failNext({ code: "rate_limited", headers: { "Retry-After": "9999999" } });
    const page = await openSession(server);
    await pass(HOUR - 1);
    expect(server.requests).toHaveLength(1);
    await pass(1);
    expect(page.now.status).toBe("ready");
  });

  test("starts at one second again after a successful response", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const server = createFakeServer();
    for (let index = 0; index < 4; index++) server.failNext();
    const page = await openSession(server);
    await pass(20 * SECOND);
    expect(page.now.status).toBe("ready");
    server.failNext();
    await page.session.retry();
    expect(page.now).toMatchObject({ status: "offline", retryAt: Date.now() + SECOND });
  });

  test.each([
    ["the network is back", () => window.dispatchEvent(new Event("online"))],
    ["the page is seen again", () => show("visible")],
    ["the page comes back from the cache", () => window.dispatchEvent(new Event("pageshow"))],
  ])("is over as soon as %s", async (_, happen) => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.offline = true;
    await page.session.retry();
    expect(page.now.status).toBe("offline");
    server.offline = false;
    happen();
    await calm();
    expect(page.now.status).toBe("ready");
    const sentBefore = server.requests.length;
    await pass(5 * SECOND);
    expect(server.requests).toHaveLength(sentBefore);
  });

  test("continues on a hidden page", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext();
    await page.session.retry();
    const sentBefore = server.requests.length;
    show("hidden");
    window.dispatchEvent(new Event("online"));
    await calm();
    expect(server.requests).toHaveLength(sentBefore);
    await pass(2 * SECOND);
    expect(page.now.status).toBe("ready");
  });

  test("ends with the page, and is over when it is opened again", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext();
    await page.session.retry();
    const sentBefore = server.requests.length;
    page.close();
    await pass(HOUR);
    expect(server.requests).toHaveLength(sentBefore);
    page.open();
    await calm();
    expect(page.now.status).toBe("ready");
  });

  test("of a page that closed before the bad news is over when it is opened again", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    const hold = server.hold();
    server.failNext();
    const started = page.session.start();
    await calm();
    page.close();
    hold.release();
    await started;
    expect(vi.getTimerCount()).toBe(0);
    page.open();
    await calm();
    expect(page.now.status).toBe("ready");
    expect(sent(server)).toEqual(["POST sessions/", "POST sessions/", "GET sessions/current/"]);
  });
});
