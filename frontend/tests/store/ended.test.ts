/** A session that has ended, or that is not the stored one. */
import { describe, expect, test } from "vitest";
import type { ResetReason, SessionError } from "../../src/api/http.js";
import { createFakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  DAY,
  MINUTE,
  notifyTabs,
  openLate,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
  type Page,
} from "../helpers.js";

controlTime();

const REASONS: ResetReason[] = ["expired", "reset", "ended", "revoked"];

/** Check the session again. */
async function retry(page: Page): Promise<void> {
  await page.session.retry();
  await calm();
}

describe("a session that has ended", () => {
  test.each(REASONS)("as %s, without files, is replaced without an alert", async (reason) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.close(reason);
    await retry(page);
    const next = server.session().uuid;
    expect(next).not.toBe(uuid);
    expect(page.now).toMatchObject({ status: "ready", uuid: next });
    expect(page.changes.at(-1)).toEqual([uuid, next, "started"]);
    expect(page.states).not.toContain("reset_required");
  });

  test.each(REASONS)("as %s, with files, requires a reset and stays", async (reason) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid, supportCode } = page.now;
    server.addFile("offer.pdf");
    server.close(reason);
    await retry(page);
    const lost = { count: 1, files: ["offer.pdf"] };
    const expected = {
      status: "reset_required",
      uuid,
      reason,
      lost,
      endedSupportCode: supportCode,
    };
    expect(page.now).toMatchObject(expected);
    expect(page.storage.uuid).toBe(uuid);
    expect(server.sessions).toHaveLength(1);
    expect(page.changes).toHaveLength(1);
    await retry(page);
    await pass(DAY / 2);
    expect(page.now).toMatchObject(expected);
  });

  test("and is unknown to the server is replaced without an alert", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.addFile("offer.pdf");
    server.forget();
    await retry(page);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(2);
  });

  test.each(REASONS)("as %s is replaced by a new one by resetSession", async (reason) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const before = page.now;
    server.addFile("offer.pdf");
    server.close(reason);
    await retry(page);
    const since = server.requests.length;
    await page.session.resetSession();
    const { uuid, supportCode } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, supportCode });
    expect(page.now.previousSupportCode).toBe(before.supportCode);
    expect(page.now.session?.used.files).toBe(0);
    expect(page.changes.at(-1)).toEqual([before.uuid, uuid, "reset"]);
    const [request] = server.requests.slice(since);
    expect(request).toMatchObject({ path: "sessions/current/reset/" });
    expect(request?.body).toEqual({ reason: reason === "expired" ? "expired" : "requested" });
  });

  test("while the server cannot create a new one is kept until it can", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.close("ended");
    server.failNext({ path: "sessions/", status: 500, body: "<html>" });
    await retry(page);
    expect(page.now).toMatchObject({ status: "offline", uuid });
    expect(page.storage.uuid).toBe(uuid);
    await pass(2 * MINUTE);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(2);
  });

  test("is not concluded from a proxy's response or an unknown code", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.failNext({ status: 401, body: "<h1>401</h1>" });
    await retry(page);
    expect(page.now).toMatchObject({ status: "offline", uuid });
    const other = { status: 401, body: '{"code": "token_missing"}' };
    server.failNext(other);
    server.failNext(other);
    await retry(page);
    expect(page.now).toMatchObject({ status: "failed", uuid, error: { code: "token_missing" } });
    expect(page.storage.uuid).toBe(uuid);
    await retry(page);
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(server.sessions).toHaveLength(1);
  });

  test("is not concluded from an unknown code, whatever was asked for", async () => {
    const other = { status: 401, body: '{"code": "token_missing"}' };
    const server = createFakeServer();
    const page = openPage(server);
    server.failNext({ ...other, method: "GET" });
    await page.session.start();
    expect(page.now).toMatchObject({ status: "failed", error: { code: "token_missing" } });
    server.failNext({ ...other, method: "GET" });
    await expect(page.session.endSession()).rejects.toMatchObject({ code: "token_missing" });
    await page.session.start();
    server.failNext({ ...other, path: "sessions/current/reset/" });
    await expect(page.session.resetSession()).rejects.toMatchObject({ code: "token_missing" });
    expect(server.sessions.map(({ status }) => status)).toEqual(["active"]);
    expect(page.now).toMatchObject({ status: "ready", persistent: true });
  });

  test("for the first response only, stays active", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.failNext({ code: "session_invalid" });
    await retry(page);
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(server.sessions).toHaveLength(1);
  });

  test("stays while the request for a new one fails", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.close("ended");
    server.failNext({ code: "session_invalid" });
    server.failNext({ path: "sessions/current/", code: "database_unavailable" });
    await retry(page);
    expect(page.now.status).toBe("offline");
    expect(server.sessions).toHaveLength(1);
  });
});

describe("a browser that proves a mismatch", () => {
  /** A page with the UUID of one session, in a browser with the cookie of another. */
  async function mismatched() {
    const server = createFakeServer();
    const first = await openSession(server, { browser: server.browser() });
    first.close();
    const other = await openSession(server);
    other.close();
    const page = openPage(server, { storage: first.storage });
    await calm();
    return { server, page, first: first.now, other: other.now };
  }

  test("is shown, and neither session is lost", async () => {
    const { server, page, first, other } = await mismatched();
    const provenSupportCode = other.supportCode;
    expect(page.now).toMatchObject({ status: "mismatch", uuid: first.uuid, provenSupportCode });
    expect(page.storage.uuid).toBe(first.uuid);
    expect(page.changes).toEqual([]);
    await retry(page);
    expect(page.now.status).toBe("mismatch");
    expect(server.sessions.map(({ status }) => status)).toEqual(["active", "active"]);
  });

  test("continues with the proven session", async () => {
    const { server, page, first, other } = await mismatched();
    await page.session.continueSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: other.uuid });
    expect(page.now.previousSupportCode).toBe(first.supportCode);
    expect(page.storage.uuid).toBe(other.uuid);
    expect(page.changes).toEqual([[first.uuid, other.uuid, "adopted"]]);
    expect(server.sessions).toHaveLength(2);
  });

  test("stays unchanged if continuing fails", async () => {
    const { server, page, first } = await mismatched();
    server.failNext();
    await expect(page.session.continueSession()).rejects.toMatchObject({ code: "network" });
    expect(page.now).toMatchObject({ status: "mismatch", uuid: first.uuid });
  });

  test("starts again", async () => {
    const { server, page, first, other } = await mismatched();
    await page.session.resetSession();
    const { uuid } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.changes).toEqual([[first.uuid, uuid, "reset"]]);
    expect(server.session(other.uuid!).status).toBe("reset");
    expect(server.session(first.uuid!).status).toBe("active");
    expect(sent(server).at(-2)).toBe("POST sessions/current/reset/");
    expect(server.requests.at(-2)?.body).toEqual({ reason: "mismatch" });
  });

  test("starts a new session even if the proof is no longer valid", async () => {
    const { server, page, first } = await mismatched();
    server.own.cookie = null;
    await page.session.resetSession();
    const { uuid } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.changes).toEqual([[first.uuid, uuid, "reset"]]);
  });
});

test.each([
  ["an end", false],
  ["an erasure", true],
])(
  "a late answer of %s leaves the session of the tab that has taken the lock alone",
  async (_, erase) => {
    const server = createFakeServer();
    const { page, kept } = await openLate(server, "DELETE");
    const ended = page.session.endSession(erase);
    await calm();
    const other = openPage(server, { storage: page.storage });
    const reset = other.session.resetSession();
    await pass(25 * SECOND);
    await reset;
    kept.splice(0).forEach((go) => go());
    await ended;
    notifyTabs();
    await calm();
    const { uuid } = server.session();
    expect(server.sessions.map(({ status }) => status)).toEqual([
      erase ? "erased" : "ended",
      "active",
    ]);
    expect(page.storage.uuid).toBe(uuid);
    for (const { now } of [page, other]) expect(now).toMatchObject({ status: "ready", uuid });
  },
);

describe("an ended session that the page replaces while the visitor's wish to leave waits", () => {
  test.each([
    ["a reset", (page: Page) => page.session.resetSession("not_me"), "done"],
    ["an end", (page: Page) => page.session.endSession(), "session_changed"],
  ])("takes its files with it: %s", async (_, leave, how) => {
    const server = createFakeServer();
    const { page, late, kept } = await openLate(server, "GET");
    page.showFiles();
    // Not an outage: the page would ask for the session, and wait for that answer.
    server.failNext({ method: "POST", path: "uploads/", code: "rate_limited" });
    page.files.add([pdf("ann.pdf")]);
    await calm();
    server.forget();
    void page.session.retry();
    await calm();
    kept.splice(0).forEach((go) => go());
    await calm(); // In its turn the page asks again.
    const left = leave(page).then(
      () => "done",
      (error: unknown) => (error as SessionError).code,
    );
    await calm();
    late.isOn = false;
    kept.splice(0).forEach((go) => go());
    expect(await left).toBe(how);
    const { uuid } = server.session();
    expect(page.changes.at(-1)).toEqual([server.sessions[0]?.uuid, uuid, "started"]);
    expect(page.now).toMatchObject({ status: "ready", uuid });
    expect(page.items).toEqual([]);

    // Later ones can be retried, because the visitor has not asked to leave this session.
    server.failNext({ method: "POST", path: "uploads/" });
    page.files.add([pdf("bob.pdf")]);
    await calm();
    server.forget();
    await page.session.retry();
    expect(page.items).toMatchObject([{ name: "bob.pdf", status: "failed", canRetry: true }]);
  });
});

test('an answer that is late for "Not you?" with a replaced token stores no code again', async () => {
  const server = createFakeServer();
  const { page, late, kept } = await openLate(server, "GET");
  const { supportCode } = page.now;
  const check = page.session.retry();
  await calm();
  late.isOn = false;
  const other = openPage(server, { storage: page.storage });
  await calm();
  server.failNext({ method: "PATCH", arrives: true });
  await other.session.identify({ name: "Ada" }).catch(() => 0);
  const next = server.hold({ method: "POST", path: "sessions/" });
  const reset = other.session.resetSession("not_me");
  await calm();
  expect(next.count).toBe(1);
  kept.splice(0).forEach((go) => go());
  await check;
  expect([...page.storage.values.values()].join(" ")).not.toContain(supportCode);
  next.release();
  await reset;
  expect(other.now).toMatchObject({ status: "ready", previousSupportCode: null });
});
