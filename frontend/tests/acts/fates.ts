/** What may become of a request. */
import type { Fate } from "./network.js";

const foreign = (name: string, status: number, body: unknown, retryAfter?: string): Fate => ({
  name,
  arrives: false,
  foreign: {
    status,
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(retryAfter && { headers: { "Retry-After": retryAfter } }),
  },
});

const HTML = "<!doctype html><title>Sign in</title>";
const UNUSUAL = { code: ["no"], lost: { count: "many", files: 7 }, errors: "none", reason: {} };

const FOREIGN = [
  foreign("a login page", 200, HTML),
  foreign("a login page's JSON", 200, { redirect: "/login" }),
  foreign("{}", 200, {}),
  foreign("[]", 200, []),
  foreign("an empty list", 200, { results: null, next: "?cursor=1" }),
  foreign("another API's session", 200, { uuid: "1234", status: "active" }),
  foreign("an empty 200", 200, ""),
  foreign("a proxy's 401", 401, HTML),
  foreign("an empty 401", 401, ""),
  foreign("a 401 without a code", 401, { detail: "Unauthorized" }),
  foreign("a 401 with a number", 401, { code: 401, message: "Unauthorized" }),
  foreign("a 401 with another code", 401, { code: "token_expired" }),
  foreign("a 401 of an odd shape", 401, UNUSUAL),
  foreign("a proxy's 403", 403, HTML),
  foreign("a proxy's 404", 404, HTML),
  foreign("a proxy's 413", 413, HTML),
  foreign("a proxy's 502", 502, HTML),
  foreign("a 500 of an odd shape", 500, UNUSUAL),
  foreign("a 503 for 10 s", 503, HTML, "10"),
  foreign("a 429 for two minutes", 429, { code: "rate_limited" }, "120"),
  foreign("a 429 for a negative time", 429, { code: "rate_limited" }, "-5"),
  foreign("a 429 until a date", 429, { code: "rate_limited" }, "Sun, 01 Mar 2026 12:10:00 GMT"),
  foreign("a 429 with words", 429, { code: "rate_limited" }, "soon"),
];

export const ABSURD = [
  foreign("a 503 for 30 years", 503, HTML, "1e9"),
  foreign("a 429 for ever", 429, { code: "rate_limited" }, "Infinity"),
  foreign("a 429 until 2199", 429, { code: "rate_limited" }, "Tue, 01 Jan 2199 00:00:00 GMT"),
];

export const LATE: Fate = { name: "late", arrives: true, isLate: true };

export const FATES: Fate[] = [
  { name: "lost", arrives: false },
  { name: "its answer lost", arrives: true, breaks: true },
  { name: "no answer", arrives: false, hangs: true },
  { name: "no answer, but executed", arrives: true, hangs: true },
  { name: "doubled", arrives: true, times: 2 },
  ...FOREIGN,
  ...FOREIGN.filter(({ foreign }) => foreign?.status === 401),
  ...FOREIGN.map((fate) => ({ ...fate, name: `executed, and ${fate.name}`, arrives: true })),
];
