// @vitest-environment node
/** The README matches the code: names, tables, words, and examples that compile. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { english } from "../src/en.js";
import * as surface from "../src/index.js";
import { createFakeServer } from "../src/testing/index.js";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const EXAMPLES = ["README.md", "REFERENCE.md"]
  .map((name) => readFileSync(join(ROOT, name), "utf8"))
  .join("\n");
/** The README and the reference, with the padding of their tables removed. */
const README = EXAMPLES.replace(/ {2,}/g, " ");

/** The text of every module except the generated schema. */
const SOURCES = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => /\.tsx?$/.test(path) && !/schema|testing/.test(path))
  .map((path) => readFileSync(join(ROOT, "src", path), "utf8"));
const CODE = SOURCES.join("\n");

const all = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match[1] as string);
const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

/** The first cells of the table whose heading starts with these words. */
function rows(head: string): string[] {
  const table = README.slice(README.indexOf(`\n| ${head} |`)).split("\n\n")[0] as string;
  return sorted(all(table, /^\| `(\w+)/gm));
}

/** The declaration that begins so, up to the end of its statement. */
const declared = (start: string) => {
  const from = CODE.indexOf(start);
  expect(from, start).toBeGreaterThan(-1);
  return CODE.slice(from).split(/\n\n(?=\S)/)[0] as string;
};

/** The names that the entries export. */
const exported = [
  "src/index.ts",
  "src/core.ts",
  "src/testing/index.ts",
  "src/en.ts",
  "src/de.ts",
  "src/ar.ts",
  "src/components/YourData.tsx",
].flatMap((path) => {
  const index = readFileSync(join(ROOT, path), "utf8");
  const lists = all(index, /^export (?:type )?\{([^}]*)\}/gm);
  const declared = all(index, /^export (?:interface|type|function|const) (\w+)/gm);
  return [...lists.flatMap((list) => all(list, /(\w+)/g)), ...declared];
});

test("every exported name is mentioned", () => {
  expect(exported).toEqual(expect.arrayContaining(Object.keys(surface)));
  const missing = exported.filter((name) => !new RegExp(`\`[^\`\n]*\\b${name}\\b`).test(README));
  expect(missing).toEqual([]);
});

test("every exported name is in the list of public names", () => {
  const lists = ["tests/names.ts", "tests/coreNames.ts"];
  const list = lists.map((path) => readFileSync(join(ROOT, path), "utf8")).join();
  const missing = exported.filter((name) => !new RegExp(`\\b${name}\\b`).test(list));
  expect(missing).toEqual([]);
});

test("every state of the session has its row", () => {
  const statuses = all(declared("export type SessionState ="), /status: "(\w+)"/g);
  const table = README.slice(README.indexOf("## States"));
  expect(sorted(all(table.split("\n\n")[2] as string, /^\| `(\w+)/gm))).toEqual(sorted(statuses));
});

test("every state of a file has its row", () => {
  const statuses = all(declared("export type UploadItem ="), /"(\w+)"/g).filter(
    (name) => !["key", "name", "size"].includes(name),
  );
  expect(rows("status | means | has")).toEqual(sorted(statuses));
});

test("every reason of a change has its row", () => {
  expect(rows("reason (`ChangeReason`) | because")).toEqual(
    sorted(all(declared("export type ChangeReason ="), /"(\w+)"/g)),
  );
});

test("every reason of an end is named", () => {
  for (const reason of all(declared("export type ResetReason ="), /"(\w+)"/g)) {
    expect(README).toMatch(new RegExp(`^\\x60reason\\x60.*\\x60${reason}\\x60`, "m"));
  }
});

test("every part has its row", () => {
  const parts = all(declared("export type Part ="), /"(\w+)"/g);
  const table = README.slice(README.indexOf("\n| part | is |")).split("\n\n")[0] as string;
  expect(sorted(all(table, /(?<=^\|[^|]*)`(\w+)`/gm))).toEqual(sorted(parts));
});

test("every option has its row", () => {
  const names = (start: string) =>
    all(declared(start).split("\n}")[0] as string, /^ {2}(\w+)\??:/gm);
  for (const name of [
    ...names("export interface SessionStoreOptions"),
    ...names("export interface UploadStoreOptions"),
    ...names("export interface SessionProviderProps"),
    ...names("export interface ConsentText"),
  ]) {
    expect(README, name).toMatch(new RegExp(`^\\|.*\`${name}\``, "m"));
  }
});

test("every method of the hooks has its row", () => {
  const session = surface.createSessionStore({ autoStart: "manual" });
  const methods = [...Object.keys(session), ...Object.keys(surface.createUploadStore(session))];
  const missing = methods.filter((name) => !new RegExp(`^\\|.*\`${name}\\b`, "m").test(README));
  expect(missing).toEqual([]);
});

test("everything the fake server can do has its row", () => {
  const missing = Object.keys(createFakeServer()).filter(
    (name) => !new RegExp(`^\\|.*\`${name}\\b`, "m").test(README),
  );
  expect(missing).toEqual([]);
});

describe("errors of the package", () => {
  const table = README.slice(README.indexOf("| code | means | shown as |")).split(
    "\n\n",
  )[0] as string;
  const codes = sorted([
    ...all(CODE, /\b(?:SessionError|fail)\("(\w+)"/g),
    ...all(declared("function refusal("), /&& "(\w+)"/g),
    ...all(CODE, /: "(\w+)"\);\n {2}throw new SessionError/g),
  ]);

  test("each has its row, and no other code has", () => {
    expect(rows("code | means | shown as")).toEqual(codes);
  });

  test("each is shown in the words of its row", () => {
    const limits = { max_file_bytes: 5 * 1024 ** 2, types: ["pdf"] };
    for (const code of codes.filter((code) => !["aborted", "refused"].includes(code))) {
      const words = english.error(new surface.SessionError(code, 0, limits));
      const row = table.split("\n").find((line) => line.startsWith(`| \`${code}\` |`));
      expect(row?.split(" | ")[2]).toBe(`${words.replace(/\s/g, " ")} |`);
    }
  });
});

describe("examples", () => {
  const blocks = [...EXAMPLES.matchAll(/```(tsx?)\n([^]*?)```/g)].map(([, kind, text], index) => ({
    path: join(ROOT, `readme-example-${index}.${kind}`),
    text: text as string,
  }));

  // The example of a test is run instead: the types of a test runner take seconds to read.
  const checked = blocks.filter(({ text }) => !text.includes('from "vitest"'));

  test("all compile unchanged", { timeout: 120_000 }, () => {
    expect(checked.flatMap(({ path }) => problems(path))).toEqual([]);
  });

  test("an app may pass undefined with exactOptionalPropertyTypes", { timeout: 120_000 }, () => {
    expect(problems(CONSUMER)).toEqual([]);
  });

  const CONSUMER = join(ROOT, "tests/consumer.tsx");
  let program: ts.Program | undefined;

  function problems(path: string): string[] {
    program ??= compile();
    const source = program.getSourceFile(path);
    return [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  }

  /** A program of all examples and the consumer, with the package's own strict options. */
  function compile(): ts.Program {
    const texts = new Map(checked.map(({ path, text }) => [path, text]));
    const { options } = ts.getParsedCommandLineOfConfigFile(
      join(ROOT, "tests/tsconfig.json"),
      { types: [] },
      { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined },
    ) as ts.ParsedCommandLine;
    const host = ts.createCompilerHost(options);
    host.fileExists = (path) => texts.has(path) || ts.sys.fileExists(path);
    host.readFile = (path) => texts.get(path) ?? ts.sys.readFile(path);
    return ts.createProgram([...texts.keys(), CONSUMER], options, host);
  }

  test("the start has six lines, and the README is short", () => {
    const start = blocks[0]?.text.trim().split("\n");
    expect(start).toHaveLength(6);
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    expect(readme.trim().split("\n").length).toBeLessThanOrEqual(60);
  });
});
