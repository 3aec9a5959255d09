/** Shows that the fake server of `@maria/sessions/testing` answers as docs/api.md says. */
import { expect, test } from "vitest";
import { createFakeServer } from "../src/testing/index.js";
test("smoke", async () => {
  const server = createFakeServer();
  const post = (path: string, headers = {}, body: unknown = {}) =>
    server.fetch("/api/v1/" + path, { method: "POST", headers, body: JSON.stringify(body) });
  const response = await post("sessions/");
  expect(response.status).toBe(201);
  const { uuid } = await response.json();
  const h = { "X-Session-UUID": uuid };
  expect((await server.fetch("/api/v1/sessions/current/", { headers: h })).status).toBe(200);
  const reset = await post("sessions/current/reset/", h, { reason: "requested" });
  expect(reset.status).toBe(201);
  const next = await reset.json();
  const body = new FormData();
  body.append("file", new File(["abc"], "a.pdf"));
  const sent: number[] = [];
  const up = await server.transport({
    url: "/api/v1/uploads/",
    headers: { "X-Session-UUID": next.uuid, "Idempotency-Key": "k" },
    body,
    withCredentials: true,
    signal: new AbortController().signal,
    onProgress: (n) => sent.push(n),
  });
  expect(up.status).toBe(201);
  expect(sent).toEqual([3]);
  server.close("expired");
  const gone = await server.fetch("/api/v1/sessions/current/");
  expect(await gone.json()).toMatchObject({
    code: "session_invalid",
    reason: "expired",
    lost: { count: 1, files: ["a.pdf"] },
  });
});
