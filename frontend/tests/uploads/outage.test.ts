/** Files wait while the server is unreachable, and continue without the visitor. */
import { describe, expect, test } from "vitest";
import { SessionError } from "../../src/api/http.js";
import type { Transport } from "../../src/api/uploadApi.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  HOUR,
  MINUTE,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
  type Page,
} from "../helpers.js";

controlTime();

async function openUploads(server: FakeServer): Promise<Page> {
  const page = await openSession(server);
  page.showFiles();
  await calm();
  return page;
}

const statuses = ({ items }: Page) => items.map(({ status }) => status);
const posts = (server: FakeServer) => sent(server).filter((line) => line === "POST uploads/");

describe("while the server is unreachable", () => {
  test("files wait, the status says so at once, and all are stored once it answers", async () => {
    const server = createFakeServer({ limits: { max_files: 9 } });
    const page = await openUploads(server);
    server.offline = true;
    page.files.add([pdf("a.pdf"), pdf("b.pdf"), pdf("c.pdf")]);
    await calm();
    expect(page.now).toMatchObject({ status: "offline", error: { code: "network" } });
    expect(statuses(page)).toEqual(["waiting", "waiting", "waiting"]);

    await pass(HOUR);
    expect(statuses(page)).toEqual(["waiting", "waiting", "waiting"]);
    expect(posts(server)).toHaveLength(3);
    page.files.add([pdf("d.pdf")]);
    await calm();
    expect(page.items.at(-1)).toMatchObject({ name: "d.pdf", status: "queued" });

    server.offline = false;
    await pass(2 * MINUTE);
    expect(page.now.status).toBe("ready");
    expect(statuses(page)).toEqual(["stored", "stored", "stored", "stored"]);
    for (const item of page.items) expect(item).not.toHaveProperty("error");
    expect(server.session().files).toHaveLength(4);
  });

  test.each([502, 503, 504])("as a proxy says by %i, the same is done", async (status) => {
    const server = createFakeServer();
    const page = await openUploads(server);
    for (let index = 0; index < 20; index++) server.failNext({ status, body: "<html>" });
    page.files.add([pdf()]);
    await calm();
    expect(page.now).toMatchObject({ status: "offline", error: { code: "unreadable", status } });
    expect(statuses(page)).toEqual(["waiting"]);
    await pass(30 * MINUTE);
    expect(statuses(page)).toEqual(["stored"]);
    expect(posts(server)).toHaveLength(2);
    expect(server.session().files).toHaveLength(1);
  });

  test("the visitor can try at once, and cancel", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.offline = true;
    page.files.add([pdf("a.pdf"), pdf("b.pdf")]);
    await pass(MINUTE);
    const since = server.requests.length;
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(sent(server, since)).toEqual(["GET sessions/current/"]);
    page.files.cancel(page.items[1]!.key);
    server.offline = false;
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(page.items).toMatchObject([{ name: "a.pdf", status: "stored" }]);
  });

  test("a deletion that failed says so, until the server answers again", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    page.files.add([pdf()]);
    await calm();
    server.offline = true;
    await page.files.remove(page.items[0]!.key);
    await calm();
    expect(page.items).toMatchObject([{ status: "stored", error: { code: "network" } }]);
    expect(page.now.status).toBe("offline");
    server.offline = false;
    await pass(2 * SECOND);
    expect(page.items).toMatchObject([{ status: "stored" }]);
    expect(page.items[0]).not.toHaveProperty("error");
  });

  test("waiting files stay in their session", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.offline = true;
    page.files.add([pdf()]);
    await calm();
    expect(statuses(page)).toEqual(["waiting"]);
    server.offline = false;
    await page.session.resetSession("not_me");
    await pass(HOUR);
    expect(page.items).toEqual([]);
    expect(posts(server)).toHaveLength(1);
  });

  test("files on their way without a provider are tried four times", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.stepwise = true;
    const leave = page.files.subscribe(() => undefined);
    page.files.add([pdf()]);
    await calm();
    leave();
    page.close();
    server.offline = true;
    server.stepwise = false;
    server.transfers[0]?.finish();
    await pass(MINUTE);
    expect(statuses(page)).toEqual(["failed"]);
    expect(posts(server)).toHaveLength(4);
  });
});

test("a server that answers, but fails at each upload, is asked four times", async () => {
  const server = createFakeServer();
  const page = await openUploads(server);
  for (let index = 0; index < 9; index++) server.failNext({ path: "uploads/", status: 502 });
  page.files.add([pdf()]);
  await pass(5 * MINUTE);
  expect(page.now.status).toBe("ready");
  expect(page.items).toMatchObject([{ status: "failed", canRetry: true }]);
  expect(posts(server)).toHaveLength(4);
});

test("a file that stops the server each time fails in the end", async () => {
  const server = createFakeServer();
  let times = 0;
  const transport: Transport = () => {
    times++;
    server.failNext({ path: "sessions/current/" });
    return Promise.reject(new SessionError("network"));
  };
  const page = await openSession(server, { uploads: { transport } });
  page.showFiles();
  page.files.add([pdf()]);
  await pass(2 * MINUTE);
  expect(page.items).toMatchObject([{ status: "failed", canRetry: true }]);
  expect(times).toBeLessThanOrEqual(41);
});

test("an upload that is in progress after a crash is waited for", async () => {
  const server = createFakeServer();
  const page = await openUploads(server);
  const busy = { code: "upload_in_progress", headers: { "Retry-After": "5" } } as const;
  for (let index = 0; index < 6; index++) server.failNext({ path: "uploads/", ...busy });
  page.files.add([pdf()]);
  await pass(MINUTE);
  expect(statuses(page)).toEqual(["stored"]);
  expect(server.session().files).toHaveLength(1);
});

test("an error of the list goes away when the server answers again", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  for (let index = 0; index < 3; index++) server.failNext({ path: "uploads/", status: 503 });
  page.showFiles();
  await calm();
  expect(page.files.getSnapshot().error).toMatchObject({ code: "unreadable" });
  await pass(MINUTE);
  expect(page.files.getSnapshot()).toMatchObject({ error: null, isLoaded: true });
});
