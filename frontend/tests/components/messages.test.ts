// @vitest-environment node
/** The English texts: errors, sizes and progress. */
import { describe, expect, test } from "vitest";
import { english as words } from "../../src/en.js";
import { SessionError, type Problem, type Schemas, type SessionSnapshot } from "../../src/index.js";

const errorText = (code: string, problem: Partial<Problem> = {}, status = 0) =>
  words.error(new SessionError(code, status, problem));
const spaced = (text: string) => text.replace(/\s/g, " ");

const sending = (sent: number, speed: number | null, secondsLeft: number | null) => ({
  ...{ key: "1", name: "a.pdf", size: 2 * 1024 ** 2, status: "sending" as const },
  ...{ sent, speed, secondsLeft },
});
const lost = (...files: Schemas["Lost"]["files"]) => {
  const over = {
    status: "reset_required",
    reason: "expired",
    lost: { count: files.length, files },
  };
  return words.alert(over as unknown as SessionSnapshot)[1];
};

describe("an error", () => {
  test.each([
    ["a size", errorText("file_too_large", { max_file_bytes: 500 * 1024 }), "at most 500 kB."],
    ["no size, as of a proxy", errorText("file_too_large"), "This file is too large."],
    [
      "types",
      errorText("type_not_allowed", { types: ["pdf", "png"] }),
      "Only PDF, PNG can be uploaded.",
    ],
    [
      "the server's types",
      errorText("type_not_allowed", { types: ["pdf"], detail: "No." }, 415),
      "content must both be of an allowed type: PDF.",
    ],
    ["no quota", errorText("quota_exceeded"), "There is no space left. Remove a file first."],
    [
      "a session that has ended",
      errorText("session_invalid", { detail: "POST /api/" }),
      "has changed",
    ],
    [
      "a code of the same meaning",
      errorText("mail_unavailable", { detail: "Soon." }),
      "at the moment",
    ],
    ["a reason of the page", errorText("refused", { detail: "Not this one." }, 0), "Not this one."],
    ["a code without any words", errorText("unheard_of"), "Something went wrong (unheard_of)."],
  ])("with %s", (_, text, words) => {
    expect(spaced(text)).toContain(words);
  });

  test("never shows a sentence of the server", () => {
    const errors = { email: [{ code: "invalid", detail: "Enter a valid address." }] };
    expect(errorText("invalid_input", { detail: "Some of it.", errors }, 400)).toBe(
      "This cannot be saved. Check what you entered.",
    );
  });
});

test.each([
  [1, "1 kB"],
  [1023 * 1024, "1,023 kB"],
  [1023 * 1024 + 1, "1 MB"],
  [5_242_880, "5 MB"],
])("%i bytes are %s", (bytes, text) => {
  expect(spaced(words.size(bytes))).toBe(text);
});

test("progress leaves out what is unknown", () => {
  expect(spaced(words.file(sending(0, null, null)))).toBe("0 kB of 2 MB");
  expect(spaced(words.file(sending(1024 ** 2, 250 * 1024, 4)))).toBe(
    "1 MB of 2 MB, 250 kB/s, 4 sec left",
  );
});

test.each([
  [0.2, "1 sec"],
  [90, "90 sec"],
  [91, "2 min"],
  [121, "3 min"],
  [3600, "60 min"],
])("%d seconds are shown as %s", (seconds, text) => {
  expect(spaced(words.file(sending(1, 1, seconds)))).toContain(`, ${text} left`);
});

const plain = (text: string) => text.replace(/[\u2068\u2069]/g, "");

test("one lost file is in the singular", () => {
  expect(plain(lost("a.pdf"))).toMatch(/^You can no longer open 1 file .*: “a.pdf”\./);
  expect(plain(lost("a.pdf", "b.pdf"))).toMatch(/^You .* 2 files .*: “a.pdf”, “b.pdf”\./);
});

test("lost files are isolated, shortened and counted, so that the text stays readable", () => {
  const names = [...Array(500).keys()].map((key) => `${key}-\u202e${"א".repeat(250)}.pdf`);
  const text = lost(...names);
  expect(text.match(/“\u2068[^\u2066-\u2069]*…[^\u2066-\u2069]*\.pdf\u2069”/g)).toHaveLength(10);
  expect(text).not.toContain("\u202e");
  expect(text).toContain(" and 490 more. Support");
  expect(text.length).toBeLessThan(1100);
});
