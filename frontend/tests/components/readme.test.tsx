/** The README's examples work as described. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { compileFunction } from "node:vm";
import * as library from "@testing-library/react";
import * as userEvent from "@testing-library/user-event";
import * as runtime from "react/jsx-runtime";
import * as client from "react-dom/client";
import ts from "typescript";
import { expect, test } from "vitest";
import * as words from "../../src/en.js";
import * as sessions from "../../src/index.js";
import * as testing from "../../src/testing/index.js";

const README = ["README.md", "REFERENCE.md"]
  .map((name) => readFileSync(resolve(import.meta.dirname, "../..", name), "utf8"))
  .join("\n");
const cases: (() => Promise<void>)[] = [];
const modules: Record<string, unknown> = {
  "@maria/sessions": sessions,
  "@maria/sessions/en": words,
  "@maria/sessions/styles.css": {},
  "@maria/sessions/testing": testing,
  "@testing-library/react": library,
  "@testing-library/user-event": userEvent,
  "react/jsx-runtime": runtime,
  "react-dom/client": client,
  vitest: { expect, test: (_: string, run: () => Promise<void>) => cases.push(run) },
};

/** Run the example below a heading unchanged. */
function run(heading: string): void {
  const [, text = ""] =
    /```tsx\n([^]*?)```/.exec(README.slice(README.indexOf(`# ${heading}\n`))) ?? [];
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: {
      jsx: ts.JsxEmit.ReactJSX,
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
    },
  });
  const load = compileFunction(outputText, ["require", "exports"]) as (...args: unknown[]) => void;
  load((name: string) => modules[name], {});
}

test("the start shows the components", async () => {
  document.body.innerHTML = '<main id="root"></main>';
  run("Start");
  expect(await library.screen.findByText("No files yet.")).toBeVisible();
  expect(library.screen.getByLabelText(/Choose files/)).toBeEnabled();
  document.body.innerHTML = "";
});

test("the example of a test passes", async () => {
  run("Tests of your app");
  expect(cases).toHaveLength(1);
  await cases[0]?.();
});
