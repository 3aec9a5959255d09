/** Nothing that was begun for one session is sent or shown in the next one. */
import { describe, expect, test, vi } from "vitest";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  DAY,
  HOUR,
  MINUTE,
  notifyTabs,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
  type Page,
} from "../helpers.js";

controlTime();

async function resetElsewhere(page: Page, server: FakeServer): Promise<void> {
  const other = openPage(server, { storage: page.storage });
  await calm();
  await other.session.resetSession("not_me");
  notifyTabs();
}

const WAYS: [string, (page: Page, server: FakeServer) => Promise<unknown>][] = [
  ['"Not you?"', ({ session }) => session.resetSession("not_me")],
  ["a new session", ({ session }) => session.resetSession()],
  ["the end", ({ session }) => session.endSession()],
  ["an erasure", ({ session }) => session.endSession(true)],
  ['"Not you?" in another tab', resetElsewhere],
];

describe.each(WAYS)("after %s", (_, leave) => {
  test.each([
    ["shown", true],
    ["not shown", false],
  ])("files of a list that is %s are neither sent nor kept", async (_, isShown) => {
    const server = createFakeServer({ limits: { max_files: 9 } });
    const page = await openSession(server, { uploads: { concurrency: 1 } });
    if (isShown) page.showFiles();
    server.failNext({ method: "POST", path: "uploads/" });
    page.files.add([pdf("waiting.pdf")]);
    await calm();
    server.stepwise = true;
    page.files.add([pdf("ann-medical-record.pdf"), pdf("queued.pdf"), pdf("refused.exe")]);
    await calm();
    const before = page.items;
    expect(before.map(({ status }) => status)).toEqual(["waiting", "sending", "queued", "failed"]);
    const since = server.requests.length;

    await leave(page, server);
    await calm();
    expect(page.items).toEqual([]);

    await page.session.start();
    server.stepwise = false;
    for (const { key } of before) page.files.retry(key);
    for (const transfer of server.transfers) transfer.finish();
    await pass(HOUR);
    expect(page.items).toEqual([]);
    expect(sent(server, since)).not.toContain("POST uploads/");
    expect(server.sessions.flatMap(({ files }) => files)).toEqual([]);
  });

  test("a file of the next visitor is sent", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.stepwise = true;
    page.files.add([pdf("ann.pdf")]);
    await calm();
    await leave(page, server);
    await calm();
    server.stepwise = false;
    page.files.add([pdf("bob.pdf")]);
    await calm();
    expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["bob.pdf"]);
    expect(page.items).toMatchObject([{ name: "bob.pdf", status: "stored" }]);
  });
});

test("files that waited for a session which the visitor ends are not sent in the next one", async () => {
  const server = createFakeServer();
  server.failNext({ method: "GET", path: "sessions/current/" });
  const page = openPage(server);
  page.files.add([pdf("ann.pdf")]);
  await calm();
  expect(page.now).toMatchObject({ status: "offline", uuid: null });
  await page.session.endSession();
  expect(page.items).toEqual([]);
  await page.session.start();
  await pass(HOUR);
  expect(server.sessions.map(({ files }) => files)).toEqual([[], []]);
});

test("files are dropped by a reset that cannot create the next session at once", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  page.showFiles();
  server.failNext({ method: "POST", path: "uploads/" });
  page.files.add([pdf("ann.pdf")]);
  await calm();
  server.forget();
  server.failNext({ method: "POST", path: "sessions/" });
  await page.session.resetSession("not_me");
  expect(page.now).toMatchObject({ status: "offline", uuid: null });
  expect(page.items).toEqual([]);
  await pass(HOUR);
  expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  expect(page.items).toEqual([]);
});

test("no timer keeps a file that waited to be sent again", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  server.failNext({ method: "POST", path: "uploads/" });
  page.files.add([pdf("ann.pdf")]);
  await calm();
  expect(page.items).toMatchObject([{ status: "waiting" }]);
  await page.session.endSession();
  expect(vi.getTimerCount()).toBe(0);
});

test("files of a session are not shown after its end, also where the list could not be read", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  page.showFiles();
  await calm();
  page.files.add([pdf("ann.pdf")]);
  await calm();
  server.failNext({ path: "uploads/" });
  await page.files.load();
  expect(page.items).toMatchObject([{ name: "ann.pdf" }]);
  await page.session.endSession();
  expect(page.items).toEqual([]);
});

test("a session that is still unknown keeps the files that wait for it", async () => {
  const server = createFakeServer();
  server.failNext();
  const page = openPage(server);
  page.files.add([pdf()]);
  await calm();
  expect(page.now.status).toBe("offline");
  await pass(HOUR);
  expect(server.session().files).toHaveLength(1);
});

test("without files on their way, a page that shows none does not follow the session", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  page.files.add([pdf()]);
  await calm();
  page.close();
  const since = server.requests.length;
  await pass(HOUR);
  expect(server.requests).toHaveLength(since);
});

test("a file that waits for a server does not keep an unmounted page asking", async () => {
  const server = createFakeServer();
  server.offline = true;
  const page = openPage(server);
  const leave = page.files.subscribe(() => undefined);
  page.files.add([pdf()]);
  await pass(10 * SECOND);
  leave();
  page.close();
  await pass(2 * MINUTE);
  const since = server.requests.length;
  expect(since).toBeGreaterThan(2);
  await pass(DAY);
  expect(server.requests).toHaveLength(since);
  expect(vi.getTimerCount()).toBe(0);
  expect(page.items).toMatchObject([{ status: "queued" }]);

  server.offline = false;
  page.open();
  await calm();
  expect(page.items).toMatchObject([{ status: "stored" }]);
  expect(vi.getTimerCount()).toBe(1); // It watches the session's end.
});

test("files that nobody looks at are still sent while the page waits for the server", async () => {
  const server = createFakeServer();
  server.offline = true;
  const page = openPage(server);
  page.files.add([pdf()]);
  await pass(HOUR);
  server.offline = false;
  await pass(2 * MINUTE);
  expect(page.items).toMatchObject([{ status: "stored" }]);
});

test("files that nobody looks at do not come back after their session was left", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const leave = page.files.subscribe(() => undefined);
  page.files.add([pdf("tool.exe")]);
  await calm();
  expect(page.items).toMatchObject([{ status: "failed" }]);
  leave();
  await page.session.endSession();
  const next = server.hold({ method: "POST", path: "sessions/" });
  void page.session.start();
  await calm();
  page.showFiles();
  expect(page.items).toEqual([]);
  next.release();
  await calm();
  expect(page.items).toEqual([]);
});

test("an unmounted page gives up a file that fails four times", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  for (let index = 0; index < 9; index++) server.failNext({ method: "POST", path: "uploads/" });
  page.files.add([pdf()]);
  page.close();
  await pass(DAY);
  expect(sent(server).filter((line) => line === "POST uploads/")).toHaveLength(4);
  expect(page.items).toMatchObject([{ status: "failed", canRetry: true }]);
  expect(vi.getTimerCount()).toBe(0);
});
