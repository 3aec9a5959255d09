/** The page and the server read the same extension; the server's tests use the same file. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { extensionOf } from "../../src/utils/fileNames.js";

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
