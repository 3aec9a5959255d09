/** Answers that are not the API's are not taken for its own: a login page's JSON, another API's, cut ones. */
import { describe, expect, test } from "vitest";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  type Page,
} from "../helpers.js";
import { problemOf } from "../../src/api/checks.js";

controlTime();

const LOGIN = { status: 200, body: '{"redirect": "/login"}' };
const code = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => (error as { code: string }).code,
  );

const CALLS: [string, (page: Page, server: FakeServer) => Promise<unknown>][] = [
  ["identify()", ({ session }) => session.identify({ name: "Ada" })],
  ["sendCode()", ({ session }) => session.sendCode()],
  ["activity()", ({ session }) => session.activity()],
  ["exportData()", ({ session }) => session.exportData()],
  ["assertion()", ({ session }) => session.assertion()],
  ["resetSession()", ({ session }) => session.resetSession()],
  ["endSession()", ({ session }) => session.endSession()],
  ["an erasure", ({ session }) => session.endSession(true)],
  ["link()", ({ files }) => files.link("1")],
];

describe("a login page's answer", () => {
  test.each(CALLS)("to %s is unreadable, and the session stays", async (_, call) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.failNext(LOGIN);
    expect(await code(call(page, server))).toBe("unreadable");
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.storage.uuid).toBe(uuid);
    expect(server.session().status).toBe("active");
  });

  test("to a check is waited out", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.failNext(LOGIN);
    await page.session.retry();
    expect(page.now).toMatchObject({ status: "offline", uuid, error: { code: "unreadable" } });
    expect(page.storage.uuid).toBe(uuid);
    await pass(2 * SECOND);
    expect(page.now).toMatchObject({ status: "ready", uuid });
  });

  test("to the first request starts no session", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    server.failNext(LOGIN);
    await page.session.start();
    expect(page.now).toMatchObject({ status: "offline", uuid: null });
    expect(page.storage.uuid).toBeNull();
    await pass(2 * SECOND);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test("to the list, a removal or an upload is shown at the files", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.addFile("kept.pdf");
    server.failNext({ ...LOGIN, path: "uploads/" });
    page.showFiles();
    await calm();
    expect(page.files.getSnapshot()).toMatchObject({ items: [], error: { code: "unreadable" } });
    await page.files.load();
    server.failNext({ ...LOGIN, method: "DELETE" });
    await page.files.remove(page.items[0]!.key);
    expect(page.items).toMatchObject([{ status: "stored", error: { code: "unreadable" } }]);
    server.failNext({ ...LOGIN, method: "POST", path: "uploads/" });
    page.files.add([pdf("new.pdf")]);
    await calm();
    expect(page.items[1]).toMatchObject({ status: "waiting", error: { code: "unreadable" } });
  });
});

describe("an answer about the session", () => {
  const answer = async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    return { server, page, body: { ...page.now.session } as Record<string, unknown> };
  };

  test("may have more fields than are known", async () => {
    const { server, page, body } = await answer();
    server.failNext({ status: 200, body: JSON.stringify({ ...body, name: "Ada", more: [1] }) });
    await page.session.retry();
    expect(page.now).toMatchObject({ status: "ready", session: { name: "Ada" } });
  });

  test("is unreadable if a field is missing or of another type", async () => {
    const { server, page, body } = await answer();
    for (const name of Object.keys(body)) {
      for (const value of [undefined, [], 5, {}, "x", "2026-13-45", null]) {
        if (typeof value === typeof body[name] && name !== "uuid" && !name.endsWith("_at"))
          continue;
        if (name === "completed_at" && value == null) continue;
        server.failNext({ status: 200, body: JSON.stringify({ ...body, [name]: value }) });
        await page.session.retry();
        expect(page.now.status, `${name} = ${JSON.stringify(value)}`).toBe("offline");
        await page.session.retry();
        expect(page.now.status).toBe("ready");
      }
    }
  });
});

test("a problem document loses only the fields that are of another type", () => {
  const lost = { count: 1, files: ["a.pdf"] };
  const good = { code: "session_invalid", reason: "expired", lost, types: ["pdf"], more: 1 };
  expect(problemOf(good)).toEqual(good);
  const bad = {
    code: 5,
    reason: "bored",
    lost: { count: 1 },
    types: "pdf",
    errors: [1],
    detail: {},
  };
  expect(problemOf({ ...bad, more: 1 })).toEqual({ more: 1 });
  for (const value of [null, undefined, 3, "no", []])
    expect(problemOf(value)).not.toHaveProperty("code");
});
