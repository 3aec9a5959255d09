/** The fake server of `@maria/sessions/testing` answers as described in docs/api.md. */
import { describe, expect, test, vi } from "vitest";
import type { Schemas } from "../src/api/http.js";
import { createFakeServer, type FakeServer } from "../src/testing/index.js";
import { pdf, UNKNOWN } from "./helpers.js";

type Json = Schemas["CurrentSession"] & Record<string, unknown>;

/** Send a request with the browser's cookie or with a bearer token. */
async function ask(
  server: FakeServer,
  line: string,
  { uuid, body, token, key }: { uuid?: string; body?: object; token?: string; key?: string } = {},
) {
  const [method = "", path = ""] = line.split(" ");
  const response = await server.fetch(`/api/v1/${path}`, {
    method,
    headers: {
      ...(uuid && { "X-Session-UUID": uuid }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(key && { "Idempotency-Key": key }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: (text ? JSON.parse(text) : {}) as Json };
}

async function begin(server: FakeServer, credential = "cookie"): Promise<Json> {
  return (await ask(server, "POST sessions/", { body: { credential } })).json;
}

function post(server: FakeServer, uuid: string, file: File | null, key = "k") {
  const body = new FormData();
  if (file) body.append("file", file);
  const headers = { "X-Session-UUID": uuid, "Idempotency-Key": key };
  return server.fetch("/api/v1/uploads/", { method: "POST", headers, body });
}

describe("proofs", () => {
  test("a cookie has one active session", async () => {
    const server = createFakeServer();
    const first = await ask(server, "POST sessions/", { body: {} });
    expect(first.status).toBe(201);
    expect(first.json.token).toBeUndefined();
    const { uuid } = first.json;
    const again = await ask(server, "POST sessions/", { body: {} });
    expect(again).toMatchObject({ status: 200, json: { uuid } });
    server.close("ended");
    expect((await ask(server, "POST sessions/", { body: {} })).status).toBe(201);
  });

  test("a change proven by a cookie needs the UUID header, one proven by a token does not", async () => {
    const server = createFakeServer();
    const { uuid } = await begin(server);
    const change = { body: { name: "Ada" } };
    const refused = await ask(server, "PATCH sessions/current/", change);
    expect(refused).toMatchObject({ status: 403, json: { code: "session_header_required" } });
    expect((await ask(server, "PATCH sessions/current/", { ...change, uuid })).status).toBe(200);
    server.own.cookie = null;
    const { token } = await begin(server, "bearer");
    const mine = await ask(server, "PATCH sessions/current/", { ...change, token: token! });
    expect(mine.json.token).toMatch(/^mss1_/);
  });

  test("a wrong UUID, no proof, an unknown proof and two different proofs are refused", async () => {
    const server = createFakeServer();
    const { support_code } = await begin(server);
    const current = "GET sessions/current/";
    expect((await ask(server, current, { uuid: UNKNOWN })).json).toMatchObject({
      code: "session_mismatch",
      support_code,
    });
    const differ = await ask(server, current, { token: "mss1_other" });
    expect(differ).toMatchObject({ status: 401, json: { code: "credentials_differ" } });
    server.forget();
    const unknown = await ask(server, current);
    expect(unknown.json.code).toBe("session_invalid");
    expect(unknown.json).not.toHaveProperty("reason");
    server.own.cookie = null;
    expect((await ask(server, current)).json.code).toBe("session_required");
  });

  test("an older token is valid for 30 seconds after the first use of the new one", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const server = createFakeServer();
    const { uuid } = await begin(server);
    const old = server.own.cookie!;
    await ask(server, "PATCH sessions/current/", { uuid, body: { name: "Ada" } });
    const fresh = server.own.cookie;
    expect(fresh).not.toBe(old);
    const proven = async (cookie: string | null) => {
      server.own.cookie = cookie;
      return (await ask(server, "GET sessions/current/")).status;
    };
    expect(await proven(old)).toBe(200);
    expect(await proven(fresh)).toBe(200);
    vi.setSystemTime(Date.now() + 29_000);
    expect(await proven(old)).toBe(200);
    vi.setSystemTime(Date.now() + 2_000);
    expect(await proven(old)).toBe(401);
    expect(await proven(fresh)).toBe(200);
    vi.useRealTimers();
  });

  test("a UUID's state is shown with its proof only; without, only whether it is well formed", async () => {
    const server = createFakeServer();
    const validate = (uuid: string) => ask(server, "POST sessions/validate/", { body: { uuid } });
    expect((await validate(UNKNOWN)).json).toEqual({ uuid: UNKNOWN, status: "well_formed" });
    const { uuid } = await begin(server);
    expect((await validate(uuid)).json.status).toBe("active");
    expect((await validate("nonsense")).json).toMatchObject({
      code: "uuid_malformed",
      status: 400,
    });
  });
});

describe("sessions", () => {
  test("that were reset lead who has the key to the same successor until it is used", async () => {
    const server = createFakeServer();
    const { uuid } = await begin(server);
    const old = server.own.cookie;
    const reset = async (key: string, reason = "requested") => {
      server.own.cookie = old;
      return ask(server, "POST sessions/current/reset/", { uuid, body: { reason }, key });
    };
    const first = await reset("k");
    expect(first).toMatchObject({ status: 201, json: { previous: { uuid, reason: "requested" } } });
    const refused = { status: 401, json: { reason: "reset" } };
    expect(await reset("another")).toMatchObject(refused);
    expect(await reset("")).toMatchObject(refused);
    expect(await reset("k", "not_me")).toMatchObject(refused);
    expect((await reset("k")).json.uuid).toBe(first.json.uuid);
    await ask(server, "GET sessions/current/");
    expect(await reset("k")).toMatchObject(refused);
  });

  test("can be ended while they are active, and erased after they have expired", async () => {
    const server = createFakeServer();
    const { uuid } = await begin(server);
    server.close("expired");
    const end = await ask(server, "DELETE sessions/current/", { uuid });
    expect(end).toMatchObject({ status: 401, json: { reason: "expired" } });
    expect((await ask(server, "DELETE sessions/current/?erase=true", { uuid })).status).toBe(204);
    expect(server.own.cookie).toBeNull();
    expect(server.session(uuid).status).toBe("erased");
  });

  test("are proven by a code that can be tried five times", async () => {
    const server = createFakeServer();
    const { uuid } = await begin(server);
    await ask(server, "PATCH sessions/current/", { uuid, body: { email: "ada@example.com" } });
    await ask(server, "POST sessions/current/email/", { uuid });
    expect(server.emails).toMatchObject([{ to: "ada@example.com" }]);
    const verify = (code: string) =>
      ask(server, "POST sessions/current/email/verify/", { uuid, body: { code } });
    for (let left = 4; left >= 0; left--) {
      expect((await verify("nonsense")).json).toMatchObject({
        code: "code_wrong",
        tries_left: left,
      });
    }
    expect((await verify(server.emails[0]!.code)).json.code).toBe("code_expired");
    await ask(server, "POST sessions/current/email/", { uuid });
    expect((await verify(server.emails[1]!.code)).json.identity).toBe("completed");
    const cookie = server.own.cookie;
    expect((await verify(server.emails[1]!.code)).status).toBe(200);
    expect(server.own.cookie).toBe(cookie);
  });

  test("that do not exist are an error", () => {
    expect(() => createFakeServer().session()).toThrow("no such session");
  });
});

describe("files", () => {
  test("are refused with the API's codes", async () => {
    const server = createFakeServer({ limits: { max_files: 1, max_file_bytes: 2000 } });
    const { uuid } = await begin(server);
    const code = async (...parts: [File | null, string?]) =>
      ((await (await post(server, uuid, ...parts)).json()) as Json).code;
    expect(await code(null)).toBe("file_missing");
    expect(await code(pdf("a.pdf", 0))).toBe("file_empty");
    expect(await code(pdf("a.pdf", 2001))).toBe("file_too_large");
    expect(await code(pdf("a.exe"))).toBe("type_not_allowed");
    expect(server.session().files).toEqual([]);
    expect(await code(pdf())).toBeUndefined();
    expect(await code(pdf(), "other")).toBe("quota_exceeded");
    expect(await code(pdf("other.pdf"))).toBe("idempotency_key_reused");
    expect(await code(pdf())).toBeUndefined();
    expect(server.session().files).toHaveLength(1);
  });

  test("can be read, linked and deleted only by their own session", async () => {
    const server = createFakeServer();
    const { uuid } = await begin(server);
    const { id } = server.addFile("a.pdf");
    expect((await ask(server, `GET uploads/${id}/`)).json).toMatchObject({ id, name: "a.pdf" });
    expect((await ask(server, `POST uploads/${id}/link/`, { uuid })).json.url).toContain(id);
    expect((await ask(server, `DELETE uploads/${id}/`, { uuid })).status).toBe(204);
    expect((await ask(server, `DELETE uploads/${id}/`, { uuid })).status).toBe(204);
    expect((await ask(server, `GET uploads/${id}/`)).json.code).toBe("not_found");
    expect((await ask(server, `DELETE uploads/${UNKNOWN}/`, { uuid })).status).toBe(404);
  });
});

describe("a test", () => {
  test("finds every request recorded", async () => {
    const server = createFakeServer();
    await ask(server, "GET uploads/?cursor=2", { uuid: UNKNOWN });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: "GET", path: "uploads/", body: undefined });
    expect(request?.query.get("cursor")).toBe("2");
    expect(request?.headers.get("X-Session-UUID")).toBe(UNKNOWN);
    await server.fetch(new Request("http://localhost/api/v1/sessions/current/"));
    expect(server.requests).toHaveLength(2);
  });

  test("gets an error for paths and methods that the API does not have", async () => {
    const server = createFakeServer();
    expect(await ask(server, "GET nothing/")).toMatchObject({ status: 404 });
    expect(await ask(server, "PUT sessions/")).toMatchObject({ status: 405 });
  });

  test("decides which requests fail, and how", async () => {
    const server = createFakeServer();
    server.failNext({ path: "uploads/", code: "internal_error" });
    server.failNext({
      method: "POST",
      status: 502,
      body: "<html>",
      headers: { "Retry-After": "3" },
    });
    server.failNext({ method: "POST", arrives: true });
    const create = () => server.fetch("/api/v1/sessions/", { method: "POST", body: "{}" });
    const proxy = await create();
    expect([proxy.status, proxy.headers.get("Retry-After")]).toEqual([502, "3"]);
    expect(await proxy.text()).toBe("<html>");
    expect(server.sessions).toHaveLength(0);
    await expect(create()).rejects.toBeInstanceOf(TypeError);
    expect(server.sessions).toHaveLength(1);
    expect(server.own.cookie).toBeNull();
    expect((await create()).status).toBe(201);
    expect((await ask(server, "GET uploads/")).status).toBe(500);
  });

  test("switches the network off and on", async () => {
    const server = createFakeServer();
    server.offline = true;
    await expect(begin(server)).rejects.toBeInstanceOf(TypeError);
    server.offline = false;
    expect((await begin(server)).status).toBe("active");
    expect(server.sessions).toHaveLength(1);
  });

  test("delays requests, which can be aborted", async () => {
    const server = createFakeServer();
    const abort = new AbortController();
    const hold = server.hold({ path: "sessions/" });
    const { signal } = abort;
    const given = server.fetch("/api/v1/sessions/", { method: "POST", signal });
    const waiting = begin(server);
    abort.abort();
    await expect(given).rejects.toMatchObject({ name: "AbortError" });
    await expect(server.fetch("/api/v1/uploads/", { signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect((await ask(server, "GET sessions/current/")).status).toBe(401);
    expect(hold.count).toBe(2);
    hold.release();
    expect((await waiting).status).toBe("active");
  });

  test("has browsers with their own cookies, and browsers that refuse cookies", async () => {
    const server = createFakeServer();
    await begin(server);
    const [other, strict] = [server.browser(), server.browser({ cookies: false })];
    for (const browser of [other, strict]) {
      await browser.fetch("/api/v1/sessions/", { method: "POST", body: "{}" });
    }
    expect(server.sessions).toHaveLength(3);
    expect(other.cookie).not.toBe(server.own.cookie);
    expect(strict.cookie).toBeNull();
    await other.fetch("/api/v1/sessions/", { method: "POST", credentials: "omit" });
    expect(server.sessions).toHaveLength(4);
  });
});
