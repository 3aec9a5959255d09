/** The API's address may end in a slash, or not. */
import { expect, test } from "vitest";
import { createHttp } from "../../src/api/http.js";
import { createFakeServer } from "../../src/testing/index.js";

test.each(["/api/v1", "/api/v1/", "https://maria.example/api/v1", "https://maria.example/api/v1/"])(
  "%s is the same address",
  async (baseUrl) => {
    const server = createFakeServer();
    const http = createHttp({ baseUrl, fetch: server.fetch });
    await http.send(() => true, "POST", "sessions/", { body: {} });
    expect(server.requests).toMatchObject([{ path: "sessions/" }]);
    expect(server.sessions).toHaveLength(1);
    expect(http.baseUrl.endsWith("/v1/")).toBe(true);
  },
);
