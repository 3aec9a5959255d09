/** An open page asks whether its session or its files have changed. */
import { afterEach, expect, test, vi } from "vitest";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  HOUR,
  MINUTE,
  openPage,
  pass,
  press,
  SECOND,
  show,
} from "../helpers.js";

controlTime();

const leaving: (() => void)[] = [];
afterEach(() => leaving.splice(0).forEach((leave) => leave()));

const REVISION = "sessions/current/revision/";

const questions = (server: FakeServer) =>
  server.requests.filter(({ path }) => path === REVISION).length;

/** A page with a session and a list of files, which was used just now. */
async function livePage(server: FakeServer) {
  const page = openPage(server, { live: true });
  const leave = page.files.subscribe(() => undefined);
  leaving.push(leave);
  await page.session.start();
  await calm();
  press();
  return { ...page, files: page.files, leave };
}

test("it asks every 4 seconds for 2 minutes after it was used, and then every 50 seconds", async () => {
  const server = createFakeServer();
  await livePage(server);
  await pass(2 * MINUTE);
  expect(questions(server)).toBe(30);
  await pass(HOUR);
  expect(questions(server)).toBe(30 + 72);
  press();
  await pass(4 * SECOND);
  expect(questions(server)).toBe(30 + 73);
});

test("a question is not an activity, and its answer is not read again", async () => {
  const server = createFakeServer();
  await livePage(server);
  const since = server.session().expiresAt;
  await pass(HOUR);
  expect(server.session().expiresAt).toBe(since);
  const others = server.requests.filter(({ path }) => path !== REVISION);
  expect(others.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST sessions/",
    "GET sessions/current/",
    "GET uploads/",
  ]);
});

test("a hidden page asks nothing, and asks at once when it is shown or focused", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  show("hidden");
  await pass(HOUR);
  expect(questions(server)).toBe(0);
  server.addFile("support.pdf");
  show("visible");
  await calm();
  expect(page.files.getSnapshot().items).toMatchObject([{ name: "support.pdf" }]);
  window.dispatchEvent(new Event("focus"));
  await calm();
  expect(questions(server)).toBe(2);
});

test("a file that support gives is shown, and one that is blocked is not offered", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  server.addFile("support.pdf");
  await pass(4 * SECOND);
  expect(page.files.getSnapshot().items).toMatchObject([{ status: "stored" }]);
  Object.assign(server.session().files[0]!.upload, { status: "quarantined" });
  await pass(4 * SECOND);
  expect(page.files.getSnapshot().items).toMatchObject([{ status: "missing" }]);
});

test("a session that support has closed is noticed", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  server.addFile("report.pdf");
  server.close("revoked");
  await pass(4 * SECOND);
  expect(page.session.getSnapshot().status).toBe("reset_required");
});

test("a server that cannot be reached is noticed, and its return too", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  server.offline = true;
  await pass(4 * SECOND);
  expect(page.session.getSnapshot().status).toBe("offline");
  server.offline = false;
  await pass(2 * SECOND);
  expect(page.session.getSnapshot().status).toBe("ready");
});

test("a device that goes offline is noticed at once", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  server.offline = true;
  window.dispatchEvent(new Event("offline"));
  await calm();
  expect(page.session.getSnapshot().status).toBe("offline");
});

test("an older server is asked every 5 minutes, and one that is busy is left alone for a while", async () => {
  const older = createFakeServer();
  const page = await livePage(older);
  older.failNext({ path: REVISION, code: "not_found" });
  await pass(5 * MINUTE);
  expect(questions(older)).toBe(1);
  await pass(MINUTE);
  expect(questions(older)).toBeGreaterThan(1);
  page.leave();
  page.close();

  const busy = createFakeServer();
  await livePage(busy);
  busy.failNext({ path: REVISION, code: "rate_limited", headers: { "Retry-After": "60" } });
  await pass(MINUTE);
  expect(questions(busy)).toBe(1);
  await pass(MINUTE);
  expect(questions(busy)).toBeGreaterThan(2);
});

test("a file is shown once, although the server has it before its answer has come", async () => {
  const server = createFakeServer();
  const page = await livePage(server);
  const hold = server.hold({ method: "POST", path: "uploads/" });
  page.files.add([new File(["%PDF-1.7"], "own.pdf")]);
  await calm();
  server.addFile("support.pdf");
  await pass(8 * SECOND);
  expect(page.files.getSnapshot().items).toHaveLength(1);
  hold.release();
  await calm();
  const names = page.files.getSnapshot().items.map(({ name }) => name);
  expect(names.sort()).toEqual(["own.pdf", "support.pdf"]);
});

test("a browser that refuses channels has a session all the same", async () => {
  vi.stubGlobal("BroadcastChannel", function refuse() {
    throw new DOMException("refused", "SecurityError");
  });
  const page = await livePage(createFakeServer());
  expect(page.session.getSnapshot().status).toBe("ready");
});
