/** Expiry of a session, with correct and wrong clocks. */
import { describe, expect, test, vi } from "vitest";
import { createFakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  DAY,
  HOUR,
  MINUTE,
  openPage,
  openSession,
  pass,
  press,
  SECOND,
  show,
} from "../helpers.js";

controlTime();

describe("an unused session", () => {
  test("is expiring five minutes before its end, and is extended if the visitor continues", async () => {
    const server = createFakeServer({ lifetime: 30 * MINUTE });
    const page = await openSession(server);
    const { uuid } = page.now;
    await pass(25 * MINUTE - 2 * SECOND);
    expect(page.now.status).toBe("ready");
    await pass(3 * SECOND);
    expect(page.now).toMatchObject({ status: "expiring", uuid });
    expect(page.now.session).not.toBeNull();
    press();
    press();
    await calm();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(server.requests).toHaveLength(3);
    expect(page.states).toEqual(["starting", "ready", "expiring", "ready"]);
  });

  test("stays by retry(), too, and asks no more than once a minute when keys are pressed", async () => {
    const server = createFakeServer({ lifetime: 3 * MINUTE });
    const page = await openSession(server);
    expect(page.now.status).toBe("expiring");
    await page.session.retry();
    expect(server.requests).toHaveLength(3);
    for (let index = 0; index < 30; index++) {
      press();
      await pass(SECOND);
    }
    expect(server.requests).toHaveLength(3);
    await pass(40 * SECOND);
    press();
    await calm();
    expect(server.requests).toHaveLength(4);
  });

  test("is checked at its end: with files it requires a reset", async () => {
    const server = createFakeServer({ lifetime: 30 * MINUTE });
    const page = await openSession(server);
    server.addFile("offer.pdf");
    await pass(31 * MINUTE);
    expect(page.now).toMatchObject({ status: "reset_required", reason: "expired" });
    expect(page.states).toEqual(["starting", "ready", "expiring", "reset_required"]);
  });

  test("is expiring at the time that the page has set", async () => {
    const server = createFakeServer({ lifetime: 30 * MINUTE });
    const page = await openSession(server, { expiringWithin: 0 });
    await pass(29 * MINUTE);
    expect(page.now.status).toBe("ready");
  });

  test("of many hours is waited for in steps that timers support", async () => {
    const server = createFakeServer({ lifetime: 2 * DAY });
    const page = await openSession(server);
    await pass(2 * DAY - 4 * MINUTE);
    expect(page.now.status).toBe("expiring");
    expect(server.requests).toHaveLength(2);
  });
});

describe("a clock", () => {
  test.each([
    ["ahead", 3 * DAY],
    ["behind", -3 * DAY],
  ])("that is wrong, with the server %s by days, makes no difference", async (_, ahead) => {
    const server = createFakeServer({ lifetime: 30 * MINUTE });
    server.ahead = ahead;
    const page = await openSession(server);
    expect(page.now.status).toBe("ready");
    await pass(26 * MINUTE);
    expect(page.now.status).toBe("expiring");
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ["ahead", 3 * DAY],
    ["behind", -3 * DAY],
  ])(
    "that is wrong, with a server %s without Date headers, sends at most one request a minute",
    async (_, ahead) => {
      const server = createFakeServer({ lifetime: 30 * MINUTE });
      server.ahead = ahead;
      const page = await openSession(server, {
        fetch: async (input, init) => {
          const response = await server.fetch(input, init);
          response.headers.delete("Date");
          return response;
        },
      });
      const { uuid } = page.now;
      await pass(HOUR);
      expect(page.now.uuid).toBe(uuid);
      expect(server.requests.length).toBeLessThanOrEqual(62);
    },
  );
});

describe("a laptop", () => {
  /** Sleep: the clock advances, and no timer runs. */
  function sleep(milliseconds: number): void {
    show("hidden");
    vi.setSystemTime(Date.now() + milliseconds);
  }

  test("that slept past the end notices it when it wakes", async () => {
    const server = createFakeServer({ lifetime: 30 * MINUTE });
    const page = await openSession(server);
    server.addFile("offer.pdf");
    sleep(8 * HOUR);
    show("visible");
    await calm();
    expect(page.now).toMatchObject({ status: "reset_required", reason: "expired" });
    expect(server.requests).toHaveLength(4);
  });

  test("that slept for less than the session's life finds it unchanged", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    sleep(8 * HOUR);
    show("visible");
    await calm();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(server.requests).toHaveLength(3);
  });

  test("without network yet keeps the session until it has", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    sleep(8 * HOUR);
    server.offline = true;
    show("visible");
    await calm();
    expect(page.now).toMatchObject({ status: "offline", uuid });
    server.offline = false;
    window.dispatchEvent(new Event("online"));
    await calm();
    expect(page.now).toMatchObject({ status: "ready", uuid });
  });

  test("that slept for seconds sends no request", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    await page.session.retry();
    sleep(30 * SECOND);
    show("visible");
    await calm();
    expect(server.requests).toHaveLength(3);
  });
});

test("a page from the back/forward cache checks the session if a minute has passed", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  vi.setSystemTime(Date.now() + 10 * MINUTE);
  server.close("ended");
  window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
  await calm();
  expect(page.now.uuid).toBe(server.session().uuid);
  expect(server.sessions).toHaveLength(2);
});

test("a hidden page sends no request until it becomes visible", async () => {
  const server = createFakeServer();
  const { storage, close } = await openSession(server);
  close();
  show("hidden");
  const page = openPage(server, { storage });
  await pass(30 * SECOND);
  expect(server.requests).toHaveLength(2);
  expect(page.now.session).toBeNull();
  show("visible");
  await calm();
  expect(page.now.session).not.toBeNull();
});

test("a hidden tab sends no request at its session's end until it becomes visible", async () => {
  const server = createFakeServer({ lifetime: 30 * MINUTE });
  const page = await openSession(server);
  const { uuid } = page.now;
  show("hidden");
  await pass(2 * HOUR);
  expect(server.requests).toHaveLength(2);
  expect(page.now.uuid).toBe(uuid);
  show("visible");
  await calm();
  expect(page.now.status).toBe("ready");
  expect(page.now.uuid).not.toBe(uuid);
});
