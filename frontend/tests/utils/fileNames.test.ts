/** The page and the server read the same extension; the server's tests use the same file. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { extensionOf, shortName } from "../../src/utils/fileNames.js";

const path = resolve(import.meta.dirname, "../../../tests/data/file_names.json");
const names = JSON.parse(readFileSync(path, "utf8")) as Record<string, string[]>;

test.each(names.taken!)("%j is a PDF", (name) => expect(extensionOf(name)).toBe("pdf"));
test.each(names.other_type!)("%j is not a PDF", (name) =>
  expect(extensionOf(name)).not.toBe("pdf"),
);
// The server refuses them with a sentence that the page shows.
test.each(names.bad_name!)("%j is left to the server", (name) => {
  expect(extensionOf(name)).toBe("pdf");
});

test.each([
  ["a name", "report.pdf", "report.pdf"],
  ["80 characters", `${"x".repeat(76)}.pdf`, `${"x".repeat(76)}.pdf`],
  ["a long name", `${"x".repeat(300)} (2).pdf`, `${"x".repeat(55)}…${"x".repeat(16)} (2).pdf`],
  ["5,000 emoji", `${"😀".repeat(5000)}.pdf`, `${"😀".repeat(55)}…${"😀".repeat(20)}.pdf`],
  ["a reversed extension", "invoice\u202efdp.exe", "invoicefdp.exe"],
  ["an end of an isolate", "a\u2069b\u2066.pdf", "ab.pdf"],
  ["line breaks", "a\nb\u2028.pdf", "ab.pdf"],
  ["joiners", "می\u200cخواهم.pdf", "می\u200cخواهم.pdf"],
])("%s is shown short and plain", (_, name, shown) => {
  expect(shortName(name)).toBe(shown);
});
