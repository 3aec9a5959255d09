/** What tests can do with the fake server. That it answers like the API: see contract/. */
import { describe, expect, test, vi } from "vitest";
import type { Schemas } from "../src/api/http.js";
import { createFakeServer, type FakeServer } from "../src/testing/index.js";
import { UNKNOWN } from "./helpers.js";

type Json = Schemas["CurrentSession"] & Record<string, unknown>;

/** Send a request with the browser's cookie or with a bearer token. */
async function ask(
  server: FakeServer,
  line: string,
  { uuid, body }: { uuid?: string; body?: object } = {},
) {
  const [method = "", path = ""] = line.split(" ");
  const response = await server.fetch(`/api/v1/${path}`, {
    method,
    headers: {
      ...(uuid && { "X-Session-UUID": uuid }),
      ...(body && { "Content-Type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: (text ? JSON.parse(text) : {}) as Json };
}

async function begin(server: FakeServer): Promise<Json> {
  return (await ask(server, "POST sessions/")).json;
}

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

test("sessions that do not exist are an error", () => {
  expect(() => createFakeServer().session()).toThrow("no such session");
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
    const create = () => server.fetch("/api/v1/sessions/", { method: "POST" });
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
      await browser.fetch("/api/v1/sessions/", { method: "POST" });
    }
    expect(server.sessions).toHaveLength(3);
    expect(other.cookie).not.toBe(server.own.cookie);
    expect(strict.cookie).toBeNull();
    await other.fetch("/api/v1/sessions/", { method: "POST", credentials: "omit" });
    expect(server.sessions).toHaveLength(4);
  });
});
