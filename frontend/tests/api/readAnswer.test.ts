/** Which responses are the API's own, and which failures are transient. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { NOTHING } from "../../src/api/checks.js";
import { asSessionError, readAnswer, SessionError } from "../../src/api/http.js";
import { query } from "../../src/api/sessionApi.js";

function refusal(status: number, text: string, retryAfter: string | null = null): SessionError {
  try {
    readAnswer({}, status, text, retryAfter);
  } catch (error) {
    return error as SessionError;
  }
  throw new Error("It was accepted as a success.");
}

const HTML = "<html><body>Bad gateway</body></html>";

test("a successful response returns its document, or nothing", () => {
  expect(readAnswer({}, 200, '{"a": 1}', null)).toEqual({ a: 1 });
  expect(readAnswer({}, 201, "[]", null)).toEqual([]);
  expect(readAnswer(NOTHING, 204, "", null)).toBeUndefined();
});

test("a problem document becomes an error with its code, status and fields", () => {
  const text = JSON.stringify({ code: "code_wrong", detail: "No.", tries_left: 2 });
  const error = refusal(400, text);
  expect(error).toMatchObject({ name: "SessionError", code: "code_wrong", status: 400 });
  expect(error.message).toBe("No.");
  expect(error.problem.tries_left).toBe(2);
  expect(error.retryAfter).toBeNull();
  expect(error.isTransient).toBe(false);
});

test.each([
  ["a page with a good status", 200, HTML, "unreadable", true],
  ["an empty successful response", 200, "", "unreadable", true],
  ["cut JSON", 200, '{"uuid": "3f', "unreadable", true],
  ["null", 200, "null", "unreadable", true],
  ["a redirect that was not followed", 304, "", "unreadable", true],
  ["a proxy's page", 502, HTML, "unreadable", true],
  ["a proxy's 401", 401, HTML, "unreadable", true],
  ["a 401 in JSON without a code", 401, '{"message": "who are you?"}', "unreadable", true],
  ["a 401 that is a word", 401, '"no"', "unreadable", true],
  ["a proxy's plain 413", 413, "Request Entity Too Large", "file_too_large", false],
  ["the API's 413", 413, '{"code": "body_too_large"}', "body_too_large", false],
  ["a 403 of the API", 403, '{"code": "origin_not_allowed"}', "origin_not_allowed", false],
  ["a 429 of the API", 429, '{"code": "rate_limited"}', "rate_limited", true],
  ["a 500 of the API", 500, '{"code": "internal_error"}', "internal_error", true],
  ["a code in a successful response", 200, "3", "unreadable", true],
])("%s is known for what it is", (_, status, text, code, isTransient) => {
  expect(refusal(status, text)).toMatchObject({ code, status, isTransient });
});

describe("Retry-After", () => {
  afterEach(() => void vi.useRealTimers());

  test.each([
    ["seconds", "7", 7],
    ["a date to come", "Sun, 22 Nov 2026 12:00:30 GMT", 30],
    ["a date gone by", "Sun, 22 Nov 2026 11:00:00 GMT", null],
    ["less than nothing", "-5", null],
    ["nonsense", "soon", null],
    ["nothing", null, null],
  ])("that says %s counts seconds", (_, text, seconds) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12), toFake: ["Date"] });
    expect(refusal(503, "", text).retryAfter).toBe(seconds);
  });
});

test("every thrown value becomes a SessionError", () => {
  const error = new SessionError("aborted");
  expect(asSessionError(error)).toBe(error);
  expect(error.message).toBe("aborted");
  expect(asSessionError(new TypeError("Failed to fetch"))).toMatchObject({
    code: "network",
    status: 0,
    isTransient: true,
    message: "TypeError: Failed to fetch",
  });
  expect(new SessionError("timeout").isTransient).toBe(true);
  expect(error.isTransient).toBe(false);
});

test("of a page's address only the query counts", () => {
  expect(query("http://backend.internal/api/v1/uploads/?cursor=c%3D")).toBe("?cursor=c%3D");
  expect(query("http://backend.internal/api/v1/uploads/")).toBe("");
});
