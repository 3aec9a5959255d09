/** Answers that arrive late: they change nothing for a session that was left, and undo no newer one. */
import { describe, expect, test } from "vitest";
import type { SessionError } from "../../src/api/http.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import { calm, controlTime, notifyTabs, openLate, openPage, type Page } from "../helpers.js";

controlTime();

const ADA = { email: "ada@example.com" };

async function elsewhere(page: Page, server: FakeServer, act: (page: Page) => Promise<unknown>) {
  const other = openPage(server, { storage: page.storage });
  await calm();
  await act(other);
}

const WAYS: [string, (page: Page, server: FakeServer) => Promise<unknown>][] = [
  ['"Not you?"', ({ session }) => session.resetSession("not_me")],
  ["an end", ({ session }) => session.endSession()],
  ["an erasure", ({ session }) => session.endSession(true)],
  [
    "a reset elsewhere",
    (page, server) => elsewhere(page, server, (it) => it.session.resetSession()),
  ],
  ["an end elsewhere", (page, server) => elsewhere(page, server, (it) => it.session.endSession())],
];

describe.each(WAYS)("after %s", (_, leave) => {
  test.each([
    ["identify()", "PATCH", (page: Page) => page.session.identify(ADA)],
    ["a check", "GET", (page: Page) => page.session.retry()],
  ])("a late answer of %s brings nothing back", async (_, method, begin) => {
    const server = createFakeServer();
    const { page, late, kept } = await openLate(server, method);
    const before = page.now.uuid;
    const work = begin(page).then(
      () => "done",
      (error: unknown) => (error as SessionError).code,
    );
    await calm();
    late.isOn = false;
    await leave(page, server);
    const stored = page.storage.uuid;
    kept.splice(0).forEach((go) => go());
    await calm();
    expect(await work).toBe(method === "PATCH" ? "session_changed" : "done");
    expect(page.storage.uuid).toBe(stored);
    expect(stored).not.toBe(before);
    notifyTabs();
    await calm();
    expect(page.now.uuid).toBe(stored);
    expect(page.now.session?.email ?? "").toBe("");
    expect(page.changes.filter(([, next]) => next === before)).toHaveLength(1);
  });
});

test("an older read does not undo a newer change", async () => {
  const server = createFakeServer();
  const { page, late, kept } = await openLate(server, "GET");
  const check = page.session.retry();
  await calm();
  late.isOn = false;
  await page.session.identify(ADA);
  kept.splice(0).forEach((go) => go());
  await check;
  expect(page.now.session?.email).toBe(ADA.email);
});

test("an older change does not undo a newer one", async () => {
  const server = createFakeServer();
  const { page, late, kept } = await openLate(server, "PATCH");
  const first = page.session.identify({ name: "Ada" });
  await calm();
  late.isOn = false;
  await page.session.identify({ name: "Grace" });
  kept.splice(0).forEach((go) => go());
  await first;
  expect(page.now.session?.name).toBe("Grace");
});

test("a failure about a session that another tab has left shows nothing of it as the next one", async () => {
  const server = createFakeServer();
  const { page } = await openLate(server, "none");
  await page.session.identify(ADA);
  await elsewhere(page, server, (it) => it.session.resetSession());
  server.failNext();
  await page.session.retry();
  const { uuid, supportCode } = server.session();
  expect(page.now).toMatchObject({ uuid, supportCode });
  expect(page.now.session?.email ?? "").toBe("");
});

describe("work that has waited for its turn", () => {
  test.each([
    ["an end", (page: Page) => page.session.endSession()],
    ["an erasure", (page: Page) => page.session.endSession(true)],
    ["a reset", (page: Page) => page.session.resetSession()],
  ])("leaves the next session alone: %s", async (name, begin) => {
    const server = createFakeServer();
    const { page, late, kept } = await openLate(server, "POST");
    const first = page.session.resetSession();
    const second = begin(page).then(
      () => "done",
      (error: unknown) => (error as SessionError).code,
    );
    await calm();
    late.isOn = false;
    kept.splice(0).forEach((go) => go());
    await first;
    expect(await second).toBe(name === "a reset" ? "done" : "session_changed");
    expect(server.sessions.map(({ status }) => status)).toEqual(["reset", "active"]);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test("is not done for a new session after another tab has ended the one it waited for", async () => {
    const server = createFakeServer();
    const { page, late, kept } = await openLate(server, "GET");
    page.storage.values.clear();
    notifyTabs(null);
    const other = openPage(server, { storage: page.storage });
    const continued = page.session.continueSession();
    const ended = other.session.endSession();
    const work = page.session.identify(ADA).catch((error: unknown) => (error as SessionError).code);
    await calm();
    late.isOn = false;
    kept.splice(0).forEach((go) => go());
    await Promise.all([continued, ended]);
    expect(await work).toBe("session_required");
    expect(server.sessions.map(({ status }) => status)).toEqual(["ended"]);
  });

  test.each([
    ["an end", false, "done"],
    ["an erasure", true, "session_changed"],
  ])("resolves only if it is true: %s of a session that ends meanwhile", async (_, erase, how) => {
    const server = createFakeServer();
    const { page, kept } = await openLate(server, "DELETE");
    const first = page.session.endSession();
    const second = page.session.endSession(erase).then(
      () => "done",
      (error: unknown) => (error as SessionError).code,
    );
    await calm();
    kept.splice(0).forEach((go) => go());
    await first;
    expect(await second).toBe(how);
    expect(server.session().status).toBe("ended");
  });

  test("is not done for the session that comes after the one it waited for", async () => {
    const server = createFakeServer();
    const { page, late, kept } = await openLate(server, "POST");
    await page.session.endSession();
    const started = page.session.start();
    const ended = page.session.endSession();
    const again = ended.then(() => page.session.start());
    const work = page.session.identify(ADA).catch((error: unknown) => (error as SessionError).code);
    await calm();
    late.isOn = false;
    kept.splice(0).forEach((go) => go());
    await Promise.all([started, again]);
    await work;
    expect(server.session().status).toBe("active");
    expect(server.session().email).toBe("");
  });
});
