/** The ready languages: plural forms, direction, and no text in another language. */
import { screen, waitFor } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { arabic, arabicData } from "../../src/ar.js";
import { german, germanData } from "../../src/de.js";
import { english, englishData } from "../../src/en.js";
import { YourData } from "../../src/components/YourData.js";
import {
  FileUpload,
  SessionError,
  SessionStatus,
  type Messages,
  type SessionSnapshot,
} from "../../src/index.js";
import { DAY, MINUTE } from "../helpers.js";
import { open, press, state, visited } from "./page.js";

const LANGUAGES = {
  en: [english, englishData],
  de: [german, germanData],
  ar: [arabic, arabicData],
} as const;

/** The plain texts of a language, by their paths. */
function textsOf(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (!value || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, part]) => textsOf(part, `${path}.${name}`));
}

test.each([
  [english, 1, "1 file"],
  [english, 2, "2 files"],
  [german, 1, "1 Datei"],
  [german, 5, "5 Dateien"],
  [arabic, 1, "ملف واحد"],
  [arabic, 2, "ملفان"],
  [arabic, 3, "3 ملفات"],
  [arabic, 11, "11 ملفًا"],
  [arabic, 100, "100 ملف"],
] as [Messages, number, string][])("%#: %i files", (words, files, text) => {
  expect(words.count(files, Infinity)).toBe(text);
});

test("the allowed types are read apart from the size after them, in Arabic", () => {
  const limits = { types: ["pdf", "png"], max_files: 5, max_file_bytes: 2 ** 20 };
  const all = { ...limits, max_total_bytes: 0, direct_upload: false };
  expect(arabic.allowed(all)).toMatch(/^\u2068PDF، PNG\u2069، 1 /);
  expect(english.allowed(all)).toMatch(/^PDF, PNG, 1 /);
});

test("of a limit, and a speed, in each language", () => {
  expect(english.count(2, 3)).toBe("2 of 3 files");
  expect(german.count(2, 3)).toBe("2 von 3 Dateien");
  const item = { key: "a", name: "a.pdf", size: 2 ** 21, sent: 2 ** 20, secondsLeft: null };
  expect(arabic.file({ ...item, status: "sending", speed: 2 ** 18 })).toMatch(/256 كيلوبايت\/ث$/);
});

test.each([0, 1, 2, 3, 11])("of a limit of %i files, no Arabic word is inflected", (max) => {
  expect(arabic.count(1, max)).toBe(`الملفات: 1 من ${max}`);
});

test.each([
  [english, "“\u2068a.pdf\u2069”, “\u2068b.pdf\u2069”"],
  [german, "„\u2068a.pdf\u2069“, „\u2068b.pdf\u2069“"],
  [arabic, "«\u2068a.pdf\u2069»، «\u2068b.pdf\u2069»"],
] as [Messages, string][])("%#: lost files are quoted as the language does", (words, text) => {
  const lost = { count: 2, files: ["a.pdf", "b.pdf"] };
  const over = { status: "reset_required", reason: "expired", lost };
  expect(words.alert(over as unknown as SessionSnapshot)[1]).toContain(text);
});

test.each([
  [english, 2 * MINUTE, /^Your session ends at \d\d?:\d\d [AP]M\.Keep my session$/],
  [english, 2 * DAY, /^Your session ends at \w+ \d\d?, 2\d{3}, \d\d?:\d\d [AP]M\.Keep/],
  [german, 2 * MINUTE, /^Ende Ihrer Sitzung: \d\d:\d\d\.Sitzung behalten$/],
  [german, 2 * DAY, /^Ende Ihrer Sitzung: \d\d\.\d\d\.2\d{3}, \d\d:\d\d\.Sitzung behalten$/],
  [arabic, 2 * MINUTE, /^تنتهي جلستك: \d\d?:\d\d [صم]\.إبقاء جلستي$/],
  [arabic, 2 * DAY, /^تنتهي جلستك: .*2\d{3}.* \d\d?:\d\d [صم]\.إبقاء جلستي$/],
] as [Messages, number, RegExp][])(
  "%#: the end of a session is a time, with a date if it is days away",
  async (language, lifetime, line) => {
    const server = await visited({ lifetime });
    const options = { expiringWithin: 3 * DAY };
    open(<SessionStatus />, { server, options, language, messages: {} });
    await state("expiring");
    expect(document.querySelector(".maria-status")?.textContent.replace(/\s/g, " ")).toMatch(line);
  },
);

test("a refusal in Arabic says what happened and what to do", () => {
  const text = (code: string, status: number) =>
    arabic.error(new SessionError(code, status, { types: ["pdf"] }));
  expect(text("type_not_allowed", 415)).toMatch(/^هذا الملف غير مسموح به\. .*\u2068PDF\u2069/);
  expect(text("name_not_allowed", 400)).toMatch(/^اسم هذا الملف غير مسموح به\. غيّره واختره/);
  expect(arabic.notCopied).toMatch(/^هذا غير مسموح به في هذا المتصفح\. انسخ/);
});

describe.each(["de", "ar"] as const)("%s", (lang) => {
  const own = textsOf(LANGUAGES[lang]);
  const known = new Map(textsOf(LANGUAGES.en));

  test("has every text, with the same places, and none in English", () => {
    expect(own.map(([path]) => path).sort()).toEqual([...known.keys()].sort());
    for (const [path, text] of own) {
      const places = (pattern = "") => (pattern.match(/\{\w+\}/g) ?? []).sort();
      expect(places(text), path).toEqual(places(known.get(path)));
      if (!path.endsWith(".dir")) expect(text, path).not.toBe(known.get(path));
    }
  });
});

test("a page in Arabic says so, and shows no text of the server", async () => {
  const server = await visited();
  server.addFile("report.pdf");
  const page = (
    <>
      <SessionStatus />
      <FileUpload />
      <YourData />
    </>
  );
  const { visitor } = open(page, { server, language: arabic, messages: arabicData });
  await screen.findByText("report.pdf");
  for (const name of ["ملفاتك", "بياناتك"]) {
    expect(screen.getByRole("region", { name })).toHaveAttribute("dir", "rtl");
    expect(screen.getByRole("region", { name })).toHaveAttribute("lang", "ar");
  }
  await press(visitor, "ما حدث");
  await waitFor(() =>
    expect(screen.getByRole("list", { name: "ما حدث" }).textContent).toContain("رفعت"),
  );
  expect(document.querySelector("[dir=rtl]")?.textContent).not.toMatch(/[A-Z][a-z]/);
});

test("some texts replace those of the language", async () => {
  const server = await visited();
  open(<FileUpload />, { server, language: german, messages: { choose: "Belege auswählen" } });
  expect(await screen.findByLabelText(/^Belege auswählen oder hier ablegen/)).toBeVisible();
});
