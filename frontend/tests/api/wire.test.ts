/** fetch and XMLHttpRequest against a real HTTP server on the loopback interface. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHttp, type SessionError } from "../../src/api/http.js";
import { createUploadApi, xhrTransport } from "../../src/api/uploadApi.js";
import { memoryCredentials } from "../../src/utils/sessionUtils.js";
import { pdf, UNKNOWN } from "../helpers.js";

interface Arrived {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: string;
}

type Handler = (arrived: Arrived, response: ServerResponse) => void;

let server: Server;
let origin: string;
let answer: Handler;
let arrived: Arrived[];
let closed: number;

const CORS = {
  "Access-Control-Allow-Origin": "http://localhost:3000",
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key, x-session-uuid",
  "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
  "Access-Control-Expose-Headers": "Retry-After",
};

beforeEach(async () => {
  arrived = [];
  closed = 0;
  answer = (_, response) => response.end('{"ok": true}');
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
    if (request.method === "OPTIONS") return void response.end();
    request.on("close", () => closed++);
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      arrived.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      answer(arrived.at(-1)!, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/`;
});

afterEach(() => {
  vi.useRealTimers();
  server.closeAllConnections();
  server.close();
});

const refused = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("It was answered."),
    (error: unknown) => error as SessionError,
  );

/** A connection to a port that is closed. */
async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/api/v1/`;
}

describe("http", () => {
  const open = (options: Partial<Parameters<typeof createHttp>[0]> = {}) =>
    createHttp({
      baseUrl: origin,
      fetch: (input, init) => globalThis.fetch(input, init),
      timeout: 15_000,
      ...options,
    });

  test("sends JSON, the session's name, and no proof of its own where there is a cookie", async () => {
    const fetch = vi.fn((input: RequestInfo | URL, init?: RequestInit) =>
      globalThis.fetch(input, init),
    );
    const http = open({ fetch });
    expect(http.credential()).toBe("cookie");
    expect(await http.send({}, "POST", "sessions/", { uuid: UNKNOWN, body: { a: 1 } })).toEqual({
      ok: true,
    });
    expect(arrived[0]).toMatchObject({ method: "POST", url: "/api/v1/sessions/", body: '{"a":1}' });
    expect(arrived[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "x-session-uuid": UNKNOWN,
    });
    expect(arrived[0]?.headers.authorization).toBeUndefined();
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ credentials: "include", cache: "no-store" });
    await http.send({}, "GET", "sessions/current/");
    expect(arrived[1]?.headers["content-type"]).toBeUndefined();
    expect(arrived[1]?.headers["x-session-uuid"]).toBeUndefined();
    http.forget();
  });

  test("carries a bearer token, no cookie, and keeps the token that is renewed", async () => {
    const fetch = vi.fn((input: RequestInfo | URL, init?: RequestInit) =>
      globalThis.fetch(input, init),
    );
    const store = memoryCredentials();
    const http = open({ fetch, credentialStore: store });
    expect(http.credential()).toBe("bearer");
    answer = (_, response) => response.end('{"token": "mss1_b"}');
    await http.send({}, "POST", "sessions/");
    expect(store.get()).toBe("mss1_b");
    await http.send({}, "GET", "sessions/current/");
    expect(arrived[0]?.headers.authorization).toBeUndefined();
    expect(arrived[1]?.headers.authorization).toBe("Bearer mss1_b");
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ credentials: "omit" });
    answer = (_, response) => response.end('{"token": "of another server"}');
    expect(await refused(http.send({ uuid: "" }, "GET", "a/"))).toMatchObject({ status: 200 });
    expect(store.get()).toBe("mss1_b");
    http.forget();
    expect(store.get()).toBeNull();
  });

  test("knows the server's time", async () => {
    const http = open();
    expect(Math.abs(http.now() - Date.now())).toBeLessThan(1000);
    answer = (_, response) => {
      response.setHeader("Date", new Date(Date.now() + 86_400_000).toUTCString());
      response.end("{}");
    };
    await http.send({}, "GET", "a/");
    expect(http.now() - Date.now()).toBeGreaterThan(86_390_000);
    answer = (_, response) => response.setHeader("Date", "nonsense").end("{}");
    await http.send({}, "GET", "a/");
    expect(http.now() - Date.now()).toBeGreaterThan(86_390_000);
  });

  test.each<[string, Handler, object]>([
    [
      "a refusal",
      (_, r) => r.writeHead(429, { "Retry-After": "3" }).end('{"code": "rate_limited"}'),
      { code: "rate_limited", status: 429, retryAfter: 3 },
    ],
    ["HTML", (_, r) => r.end("<html>"), { code: "unreadable", status: 200 }],
    ["cut JSON", (_, r) => r.end('{"uuid'), { code: "unreadable", status: 200 }],
    [
      "a body that breaks off",
      (_, r) => {
        r.writeHead(200, { "Content-Length": "100" });
        r.write("{", () => r.destroy());
      },
      { code: "network", status: 0 },
    ],
    ["a connection that breaks", (_, r) => r.destroy(), { code: "network", status: 0 }],
  ])("reports %s as an error", async (_, handler, error) => {
    answer = handler;
    expect(await refused(open().send({}, "GET", "a/"))).toMatchObject(error);
  });

  test("reports a refused connection as network", async () => {
    const http = open({ baseUrl: await closedPort() });
    expect(await refused(http.send({}, "GET", "a/"))).toMatchObject({ code: "network" });
  });

  test("times out if the server never answers, or never ends its answer", async () => {
    answer = () => undefined;
    const http = open({ timeout: 50 });
    expect(await refused(http.send({}, "GET", "a/"))).toMatchObject({ code: "timeout" });
    answer = (_, response) => void response.write("{");
    expect(await refused(http.send({}, "GET", "a/"))).toMatchObject({ code: "timeout" });
  });
});

describe("the transport of browsers", () => {
  function post(file = pdf(), signal = new AbortController().signal, url = origin) {
    const body = new FormData();
    body.append("file", file);
    const steps: [number, number][] = [];
    const work = xhrTransport({
      url: `${url}uploads/`,
      headers: { "X-Session-UUID": UNKNOWN, "Idempotency-Key": "k" },
      body,
      withCredentials: false,
      signal,
      onProgress: (...step) => void steps.push(step),
    });
    return { work, steps };
  }

  test("posts a form, reports progress, and returns the response unchanged", async () => {
    answer = (_, response) => response.writeHead(201, { "Retry-After": "1" }).end('{"id": "1"}');
    const name = `${"見積書".repeat(65)}.pdf`;
    const { work, steps } = post(pdf(name, 50_000));
    const { status, text, header } = await work;
    expect([status, text, header("Retry-After")]).toEqual([201, '{"id": "1"}', "1"]);
    expect(arrived[0]?.body).toContain(`filename="${name}"`);
    expect(arrived[0]?.headers).toMatchObject({
      "idempotency-key": "k",
      "x-session-uuid": UNKNOWN,
    });
    const [sent, total] = steps.at(-1)!;
    expect(sent).toBe(total);
    expect(total).toBeGreaterThan(50_000);
  });

  test.each<[string, number, string]>([
    ["a proxy's plain 413", 413, "Request Entity Too Large"],
    ["a proxy's page", 502, "<html>"],
    ["cut JSON", 200, '{"id'],
  ])("gives %s as it came", async (_, status, text) => {
    answer = (__, response) => response.writeHead(status).end(text);
    expect(await post().work).toMatchObject({ status, text });
  });

  test("reports a broken connection as network", async () => {
    answer = (_, response) => response.destroy();
    expect(await refused(post().work)).toMatchObject({ code: "network" });
  });

  test("reports a refused connection as network", async () => {
    const { work } = post(pdf(), undefined, await closedPort());
    expect(await refused(work)).toMatchObject({ code: "network" });
  });

  test("stops at once when it is aborted", async () => {
    const abort = new AbortController();
    answer = () => abort.abort();
    expect(await refused(post(pdf(), abort.signal).work)).toMatchObject({ code: "aborted" });
    await vi.waitFor(() => expect(closed).toBe(1));
  });

  test("sends nothing if it was aborted before it started", async () => {
    expect(await refused(post(pdf(), AbortSignal.abort()).work)).toMatchObject({ code: "aborted" });
    expect(arrived).toEqual([]);
  });

  test("gives up after a minute without a byte", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const got = new Promise<void>((resolve) => (answer = () => resolve()));
    const failed = refused(post().work);
    await got;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await failed).toMatchObject({ code: "timeout" });
  });
});

describe("sending a file", () => {
  test("fails with the error of the transport, except for a file that can no longer be read", async () => {
    const http = createHttp({ baseUrl: origin, fetch, timeout: 1000 });
    const api = createUploadApi(http, () => Promise.reject(new Error("odd")));
    const request = {
      key: "k",
      isDirect: false,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    };
    const unreadable = pdf();
    unreadable.slice = () => {
      throw new DOMException("server", "NotReadableError");
    };
    const send = (file: File) => refused(api.send(UNKNOWN, { ...request, file }));
    expect(await send(pdf())).toMatchObject({ code: "network" });
    expect(await send(unreadable)).toMatchObject({ code: "file_changed" });
  });
});
