/** The console names the setting that is wrong, once, in a development build. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createFakeServer } from "../../src/testing/index.js";
import { calm, controlTime, openPage, pass } from "../helpers.js";

controlTime();

const API = "http://api.example/api/v1/";

let development: typeof import("../../src/store/sessionStore.js").development;
let inspect: typeof development.inspect;

beforeAll(async () => {
  ({ development } = await import("../../src/store/sessionStore.js"));
  await import("../../src/development/index.js");
  ({ inspect } = development);
  delete development.inspect;
});

// The other tests of this worker have the production build.
afterEach(() => {
  delete development.inspect;
});
afterAll(() => expect(inspect).toBeTypeOf("function"));

/** Open a page whose requests to the API end so; return what the console says. */
async function warnings(
  answer: typeof fetch,
  {
    probe = answer,
    baseUrl = API,
    before,
  }: { probe?: typeof fetch; baseUrl?: string; before?: () => void } = {},
): Promise<string[]> {
  const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
  vi.stubGlobal("fetch", probe);
  const page = openPage(createFakeServer(), { fetch: answer, baseUrl });
  // Stores of other tests in this worker may still be at work.
  development.inspect = (http, now) => http === page.session.http && inspect?.(http, now);
  await page.session.start();
  before?.();
  await pass(300);
  await page.session.retry();
  await pass(300);
  page.close();
  return warn.mock.calls.map(([text]) => String(text).replace("@maria/sessions: ", ""));
}

const fails = () => Promise.reject(new TypeError("Failed to fetch"));
const says = (status: number, body: string) => () =>
  Promise.resolve(new Response(body, { status }));
const problem = (code: string) => JSON.stringify({ code, detail: "", status: 403 });

test("a page that CORS refuses", async () => {
  expect(await warnings(fails, { probe: says(200, "") })).toEqual([
    `${API} refuses pages of http://localhost:3000 (CORS). Add this origin to the setting ALLOWED_ORIGINS of its server.`,
  ]);
});

test("a server that refuses the page's origin", async () => {
  const baseUrl = "http://other.example/api/v1/";
  expect(await warnings(says(403, problem("origin_not_allowed")), { baseUrl })).toEqual([
    `${baseUrl} refuses pages of http://localhost:3000 (CORS). Add this origin to the setting ALLOWED_ORIGINS of its server.`,
  ]);
});

test("a policy that does not list the API", async () => {
  const baseUrl = "http://blocked.example/api/v1/";
  const before = () =>
    document.dispatchEvent(
      Object.assign(new Event("securitypolicyviolation"), { blockedURI: `${baseUrl}sessions/` }),
    );
  expect(await warnings(fails, { baseUrl, before })).toEqual([
    "The Content-Security-Policy of the page blocks http://blocked.example. Add it to connect-src.",
  ]);
});

test("an address where something else answers, and one where nothing does", async () => {
  expect(await warnings(says(200, "<html>"), { baseUrl: "/api/v1/" })).toEqual([
    "http://localhost:3000/api/v1/ does not answer like the API (status 200). Set the option baseUrl to the address of the API, or let the server of the page pass on its requests.",
  ]);
  vi.restoreAllMocks();
  expect(await warnings(fails, { baseUrl: "http://absent.example" })).toEqual([
    "http://absent.example/ does not answer. Start its server, or set the option baseUrl.",
  ]);
});

test("a browser that refuses the cookie; nothing where all is well, or the server is down", async () => {
  const server = createFakeServer();
  const refusing = server.browser({ cookies: false });
  const withoutCookies = (input: unknown, init?: RequestInit) =>
    refusing.fetch((input as string).replace(API, "/api/v1/"), init);
  expect(await warnings(withoutCookies)).toEqual([
    "The browser refuses the cookie of http://api.example, so a reload loses the session. Serve the API on the site of the page, or set the option credentialStore.",
  ]);
  vi.restoreAllMocks();
  expect(await warnings(server.fetch, { baseUrl: "/api/v1/" })).toEqual([]);
  expect(await warnings(says(503, problem("database_unavailable")))).toEqual([]);
  await calm();
});
