/** The methods of a session. A method that fails changes nothing. */
import { describe, expect, test, vi } from "vitest";
import { SessionError } from "../../src/api/http.js";
import { createFakeServer } from "../../src/testing/index.js";
import { memoryCredentials } from "../../src/utils/sessionUtils.js";
import {
  calm,
  controlTime,
  FakeStorage,
  MINUTE,
  openPage,
  openSession,
  pass,
  pdf,
  press,
  provideLocks,
  notifyTabs,
  sent,
} from "../helpers.js";

controlTime();

describe("resetSession", () => {
  test("replaces an active session by a new one", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before, supportCode } = page.now;
    await page.session.resetSession();
    const { uuid } = server.session();
    expect(page.now).toMatchObject({ status: "ready", uuid, previousSupportCode: supportCode });
    expect(page.storage.uuid).toBe(uuid);
    expect(page.changes.at(-1)).toEqual([before, uuid, "reset"]);
    expect(server.session(before!).status).toBe("reset");
    expect(page.states).toEqual(["starting", "ready"]);
  });

  test("of another person's session deletes its support code, also after a reload", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    await page.session.resetSession("not_me");
    expect(server.requests.at(-2)?.body).toEqual({ reason: "not_me" });
    expect(page.now.previousSupportCode).toBeNull();
    page.close();
    const again = openPage(server, { storage: page.storage });
    expect(again.now.previousSupportCode).toBeNull();
    expect(again.now.supportCode).toBe(server.session().supportCode);
  });

  test("does nothing where there is no session", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    await page.session.resetSession();
    expect(page.now.status).toBe("idle");
    expect(sent(server)).toEqual(["GET sessions/current/"]);
    expect(server.sessions).toEqual([]);
  });

  test.each([
    ["the page has cleared the storage", false],
    ["the page knows that the storage is empty", true],
  ])("replaces what the cookie proves, although %s", async (_, isKnown) => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.addFile("ann.pdf");
    const before = server.session();
    page.storage.values.clear();
    if (isKnown) notifyTabs(null);
    expect(page.now.status).toBe(isKnown ? "idle" : "ready");
    await page.session.resetSession("not_me");
    expect(before.status).toBe("reset");
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.now.uuid).not.toBe(before.uuid);
    expect(page.storage.uuid).toBe(page.now.uuid);
  });

  test("replaces the session that the cookie proves, although the page shows another one", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const theirs = server.browser();
    await theirs.fetch("/api/v1/sessions/", { method: "POST" });
    server.addFile("theirs.pdf");
    const proven = server.session();
    server.own.cookie = theirs.cookie;
    await page.session.resetSession("not_me");
    expect(proven).toMatchObject({ status: "reset" });
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.session().files).toEqual([]);
  });

  test("without a UUID fails if the server cannot be reached", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    server.offline = true;
    await expect(page.session.resetSession()).rejects.toMatchObject({ code: "network" });
    await expect(page.session.endSession()).rejects.toMatchObject({ code: "network" });
  });

  test("accepts the session that another tab has created, and resets nothing", async () => {
    const server = createFakeServer();
    const here = await openSession(server);
    const there = openPage(server, { storage: here.storage });
    await calm();
    await here.session.resetSession();
    await there.session.resetSession();
    expect(there.now).toMatchObject({ status: "ready", uuid: here.now.uuid });
    expect(server.sessions).toHaveLength(2);
  });

  test.each([
    ["gets no response", {}],
    ["finds the database unavailable", { code: "database_unavailable" }],
    ["is answered by a proxy", { status: 502, body: "<html>" }],
  ] as const)("that %s rejects, and nothing has changed", async (_, failure) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const before = page.now;
    server.failNext(failure);
    await expect(page.session.resetSession()).rejects.toBeInstanceOf(SessionError);
    expect(page.now).toEqual(before);
    expect(page.storage.uuid).toBe(before.uuid);
    expect(server.sessions).toHaveLength(1);
    expect(page.changes).toHaveLength(1);
  });

  test("that another one overtakes leaves the new session alone", async () => {
    const server = createFakeServer();
    const storage = new FakeStorage();
    const page = openPage(server, { credentialStore: { ...memoryCredentials(), storage } });
    await page.session.start();
    const states = [...page.states];
    // Nothing makes the second one wait.
    provideLocks(undefined);
    storage.full = true;
    await Promise.all([page.session.resetSession(), page.session.resetSession()]);
    await calm();
    expect(page.states).toEqual(states);
    expect(page.now.uuid).toBe(server.session().uuid);
    expect(page.changes).toHaveLength(2);
    expect(server.sessions).toHaveLength(2);
  });

  test("whose response is lost gets the same new session when repeated", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before } = page.now;
    server.failNext({ arrives: true });
    await expect(page.session.resetSession()).rejects.toMatchObject({ code: "network" });
    expect(page.now).toMatchObject({ status: "ready", uuid: before });
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(2);
    expect(page.changes.at(-1)).toEqual([before, server.session().uuid, "reset"]);
  });

  test("whose response is lost ends the session; another reset repairs it, also after a reload", async () => {
    const server = createFakeServer();
    const before = await openSession(server);
    server.addFile("offer.pdf");
    server.failNext({ arrives: true });
    await expect(before.session.resetSession()).rejects.toMatchObject({ code: "network" });
    before.close();
    const page = openPage(server, { storage: before.storage });
    await page.session.retry();
    expect(page.now).toMatchObject({ status: "reset_required", reason: "reset" });
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(2);
  });

  test("sends a key of its own until the response is in", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext({ code: "rate_limited" });
    await expect(page.session.resetSession()).rejects.toMatchObject({ code: "rate_limited" });
    expect(page.storage.getItem("session_attempt")).not.toBeNull();
    await page.session.resetSession();
    expect(page.storage.getItem("session_attempt")).toBeNull();
    server.close("ended");
    await page.session.resetSession();
    expect(page.storage.getItem("session_attempt")).toBeNull();
    const keys = server.requests
      .filter(({ path }) => path.endsWith("reset/"))
      .map(({ headers }) => headers.get("Idempotency-Key"));
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[0-9-]{20,}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  test("is repeated with its key in a full storage", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.storage.full = true;
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test.each([
    ["of another person's session", "not_me", 0],
    ["after more than ten minutes", "requested", 11 * MINUTE],
  ] as const)("%s whose response is lost starts a new session", async (_, reason, wait) => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before } = page.now;
    server.failNext({ arrives: true });
    await expect(page.session.resetSession(reason)).rejects.toMatchObject({ code: "network" });
    await pass(wait);
    await page.session.resetSession(reason);
    expect(server.sessions).toHaveLength(3);
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.changes.at(-1)).toEqual([before, server.session().uuid, "reset"]);
  });

  test("with a token that was replaced ends the session and starts a new one", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before } = page.now;
    server.failNext({ arrives: true });
    await expect(page.session.identify({ name: "Ada" })).rejects.toBeInstanceOf(SessionError);
    await page.session.resetSession("not_me");
    expect(server.session(before!).status).toBe("ended");
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.now.uuid).not.toBe(before);
  });

  test("with a token that was replaced rejects if the session cannot be ended either", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext({ arrives: true });
    await expect(page.session.identify({ name: "Ada" })).rejects.toBeInstanceOf(SessionError);
    server.failNext({ method: "DELETE" });
    await expect(page.session.resetSession()).rejects.toMatchObject({ code: "network" });
    expect(server.session().status).toBe("active");
  });

  test("whose cookie arrived without the response finds the new session by it", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before } = page.now;
    const { fetch } = server;
    const headers = { "X-Session-UUID": before! };
    await fetch("/api/v1/sessions/current/reset/", { method: "POST", headers });
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(server.sessions).toHaveLength(2);
  });

  test("works in the state offline", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext();
    await page.session.retry();
    expect(page.now.status).toBe("offline");
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
  });

  test("works in the state failed", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.failNext({ code: "origin_not_allowed" });
    await page.session.retry();
    expect(page.now.status).toBe("failed");
    await page.session.resetSession();
    expect(page.now.status).toBe("ready");
  });

  test("of a revoked session creates a new one", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid: before } = page.now;
    server.close("revoked");
    await page.session.resetSession();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.changes.at(-1)).toEqual([before, server.session().uuid, "reset"]);
  });
});

describe("endSession", () => {
  test("ends it, keeps its code as the previous one, and the same click creates no new session", async () => {
    const server = createFakeServer();
    const page = openPage(server, { autoStart: "interaction" });
    press();
    await calm();
    const { uuid, supportCode } = page.now;
    await page.session.endSession();
    press();
    await pass(MINUTE);
    expect(page.now).toMatchObject({
      status: "idle",
      uuid: null,
      session: null,
      supportCode: null,
    });
    expect(page.now.previousSupportCode).toBe(supportCode);
    expect(page.storage.uuid).toBeNull();
    expect(server.session().status).toBe("ended");
    expect(page.changes.at(-1)).toEqual([uuid, null, "ended"]);
    await page.session.start();
    expect(page.now.uuid).toBe(server.session().uuid);
    expect(page.now.previousSupportCode).toBe(supportCode);
  });

  test("with erase leaves no data, not even a support code", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.addFile("offer.pdf");
    await page.session.endSession(true);
    expect(page.now).toMatchObject({
      status: "idle",
      supportCode: null,
      previousSupportCode: null,
    });
    expect(page.changes.at(-1)).toEqual([uuid, null, "erased"]);
    expect(server.session()).toMatchObject({ status: "erased", files: [] });
    expect([...page.storage.values.values()].join("")).toBe("");
  });

  test("does nothing where there is no session", async () => {
    const server = createFakeServer();
    await openPage(server).session.endSession();
    expect(sent(server)).toEqual(["GET sessions/current/"]);
  });

  test("ends what the cookie proves, although the storage is empty", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.storage.values.clear();
    notifyTabs(null);
    await page.session.endSession(true);
    expect(server.session().status).toBe("erased");
    expect(page.now.status).toBe("idle");
  });

  test("of a session that has ended succeeds", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.close("expired");
    await page.session.endSession();
    expect(page.now.status).toBe("idle");
  });

  test("erases an expired one, too", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.close("expired");
    await page.session.endSession(true);
    expect(server.session().status).toBe("erased");
  });

  test.each([
    ["end", false, { code: "database_unavailable" }],
    ["erasure", true, { code: "session_invalid" }],
    ["erasure without network", true, {}],
  ] as const)(
    "rejects if the %s was refused, and nothing has changed",
    async (_, erase, failure) => {
      const server = createFakeServer();
      const page = await openSession(server);
      const before = page.now;
      server.failNext(failure);
      await expect(page.session.endSession(erase)).rejects.toBeInstanceOf(SessionError);
      expect(page.now).toEqual(before);
      expect(page.storage.uuid).toBe(before.uuid);
      expect(server.session().status).toBe("active");
    },
  );
});

describe("recover", () => {
  test("restores a session of another device", async () => {
    const server = createFakeServer();
    const elsewhere = await openSession(server, { browser: server.browser() });
    const code = server.issueRecoveryCode();
    const page = await openSession(server);
    const before = page.now;
    await page.session.recover(code.toLowerCase().replaceAll("-", " "));
    const { uuid, supportCode } = elsewhere.now;
    expect(page.now).toMatchObject({ status: "ready", uuid, supportCode });
    expect(page.now.previousSupportCode).toBe(before.supportCode);
    expect(page.changes.at(-1)).toEqual([before.uuid, uuid, "recovered"]);
    expect(page.storage.uuid).toBe(uuid);
  });

  test("creates a session first, because the code works only once and cookies may not work", async () => {
    const server = createFakeServer();
    await openSession(server, { browser: server.browser() });
    const { uuid } = server.session();
    const code = server.issueRecoveryCode();
    const page = openPage(server, { browser: server.browser({ cookies: false }) });
    void page.session.recover(code);
    await pass(1000);
    expect(page.now).toMatchObject({ status: "ready", uuid, persistent: false });
  });

  test("whose response is lost works again with the same code, also after a reload", async () => {
    const server = createFakeServer();
    const elsewhere = await openSession(server, { browser: server.browser() });
    const code = server.issueRecoveryCode();
    const before = await openSession(server);
    server.failNext({ path: "sessions/recover/", arrives: true });
    await expect(before.session.recover(code)).rejects.toMatchObject({ code: "network" });
    before.close();
    const page = await openSession(server, { storage: before.storage });
    await page.session.recover(code);
    expect(page.now).toMatchObject({ status: "ready", uuid: elsewhere.now.uuid });
    expect(page.storage.getItem("session_attempt")).toBeNull();
    await expect(before.session.recover(code)).rejects.toMatchObject({ code: "recovery_invalid" });
  });

  test("with a wrong code changes nothing", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const before = page.now;
    await expect(page.session.recover("AAAA")).rejects.toMatchObject({ code: "recovery_invalid" });
    expect(page.now).toEqual(before);
  });
});

describe("who the visitor is", () => {
  test("can be set, confirmed by a code, and removed", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    const consent = { contact: { granted: true, version: "2026-11" } };
    await page.session.identify({ name: "Ada", email: "ada@example.com", consent });
    expect(page.now.session).toMatchObject({ identity: "identified", name: "Ada", consent });
    expect(await page.session.sendCode()).toMatchObject({ next_in: 30 });
    const { code } = server.emails[0]!;
    const wrong = page.session.verifyCode(code === "000000" ? "000001" : "000000");
    await expect(wrong).rejects.toMatchObject({ code: "code_wrong", problem: { tries_left: 4 } });
    await page.session.verifyCode(code);
    expect(page.now).toMatchObject({ uuid, session: { identity: "completed" } });
    await page.session.identify({ name: "", email: "" });
    expect(page.now.session).toMatchObject({ identity: "anonymous", email: "" });
    expect(page.changes).toHaveLength(1);
  });

  test("that is refused rejects with the errors of each field", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const error = await page.session.identify({ email: "ada" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "invalid_input", problem: { errors: { email: [{}] } } });
    await expect(page.session.sendCode()).rejects.toMatchObject({ code: "email_missing" });
    await expect(page.session.verifyCode("123456")).rejects.toMatchObject({ code: "code_expired" });
    expect(page.now).toMatchObject({ status: "ready", session: { email: "" } });
  });
});

test("events are read page by page, whatever host the page addresses name", async () => {
  const server = createFakeServer({ pageSize: 2 });
  const page = await openSession(server);
  server.addFile("a.pdf");
  server.addFile("b.pdf");
  const first = await page.session.activity();
  expect(first.results.map(({ file }) => file)).toEqual(["b.pdf", "a.pdf"]);
  const second = await page.session.activity(first.next!);
  expect(second.results.map(({ event }) => event)).toEqual(["session.created"]);
  expect(second.next).toBeNull();
});

test("the data export and the assertion belong to the session", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  expect(await page.session.exportData()).toMatchObject({ session: { uuid: page.now.uuid } });
  expect((await page.session.assertion()).assertion).toContain(page.now.uuid);
});

describe("withSession", () => {
  test("creates a session if there is none", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    expect(await page.session.withSession(async (uuid) => uuid)).toBe(server.session().uuid);
  });

  test("rejects with the reason if no session can be created", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    const request = vi.fn();
    server.failNext();
    await expect(page.session.withSession(request)).rejects.toMatchObject({ code: "network" });
    expect(request).not.toHaveBeenCalled();
  });

  test("checks the session when a request is refused for its proof", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const { uuid } = page.now;
    server.close("revoked");
    await expect(page.session.exportData()).rejects.toMatchObject({ code: "session_invalid" });
    await calm();
    expect(page.now).toMatchObject({ status: "ready", uuid: server.session().uuid });
    expect(page.changes.at(-1)).toEqual([uuid, page.now.uuid, "started"]);
  });

  test("does not check the session when a request fails for another reason", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const sentBefore = server.requests.length;
    const refuse = () => Promise.reject(new Error("mine"));
    await expect(page.session.withSession(refuse)).rejects.toThrow("mine");
    await calm();
    expect(server.requests).toHaveLength(sentBefore);
  });
});

/** Errors that the page reports, instead of failing the test. */
function collectErrors(): unknown[] {
  const thrown: unknown[] = [];
  vi.stubGlobal("queueMicrotask", (task: () => void) => {
    void Promise.resolve()
      .then(task)
      .catch((error: unknown) => thrown.push(error));
  });
  return thrown;
}

test("a subscriber that throws is reported, and stops nothing", async () => {
  const thrown = collectErrors();
  const server = createFakeServer();
  const page = openPage(server);
  const fail = () => {
    if (page.now.status !== "idle") throw new Error("the host's");
  };
  const [end, endFiles] = [page.session.subscribe(fail), page.files.subscribe(fail)];
  const states: string[] = [];
  const endLast = page.session.subscribe(() => states.push(page.now.status));
  await expect(page.session.start()).resolves.toBeUndefined();
  expect(() => page.files.add([pdf()])).not.toThrow();
  await calm();
  expect(new Set(states)).toEqual(new Set(["starting", "ready"]));
  expect(page.items).toMatchObject([{ status: "stored" }]);
  expect(thrown.length).toBeGreaterThan(3);
  [end, endFiles, endLast].forEach((stop) => stop());
});

test("a callback that throws is reported, and stops nothing", async () => {
  const thrown = collectErrors();
  const server = createFakeServer();
  const page = openPage(server, {
    onSessionChanged: () => {
      throw new Error("the host's");
    },
  });
  await page.session.start();
  await page.session.resetSession();
  await page.session.endSession();
  await calm();
  expect(page.now.status).toBe("idle");
  expect(thrown).toHaveLength(3);
  expect(sent(server).at(-1)).toBe("DELETE sessions/current/");
});

test("the callback is optional", async () => {
  const { fetch } = createFakeServer();
  const { createSessionStore } = await import("../../src/store/sessionStore.js");
  const store = createSessionStore({ fetch, storage: new FakeStorage() });
  await store.start();
  expect(store.getSnapshot().status).toBe("ready");
});
