/** Class names and texts of the page, under a strict Content-Security-Policy. */
import { screen, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import {
  AttachButton,
  FileUpload,
  ResetSession,
  SessionResetAlert,
  SessionStatus,
  WhereAreMyFiles,
  type ClassNames,
  type Messages,
} from "../../src/index.js";
import { YourData } from "../../src/components/YourData.js";
import { english } from "../../src/en.js";
import { createFakeServer } from "../../src/testing/index.js";
import { file, open, openReady, press, state, visited } from "./page.js";

const CONSENT = { purpose: "contact", version: "1", label: "You may write to me." };

const everything = (
  <>
    <SessionStatus />
    <FileUpload />
    <AttachButton pageWide={false} />
    <SessionResetAlert />
    <WhereAreMyFiles />
    <ResetSession />
    <YourData consents={[CONSENT]} />
  </>
);

/** Every part that is visible while a session is ready; then its dialogs. */
async function showAll(classNames?: ClassNames) {
  const server = createFakeServer({ limits: { max_files: 1 } });
  const page = await openReady(everything, { server, ...(classNames && { classNames }) });
  const parts = new Set<string>();
  const collect = () => {
    for (const element of page.container.querySelectorAll("[class]")) parts.add(element.className);
  };
  collect();
  server.stepwise = true;
  await page.visitor.upload(screen.getByLabelText(/Choose files/), [
    file("a.pdf"),
    file("b.pdf"),
    file("empty.pdf", 0),
  ]);
  await screen.findByRole("progressbar");
  await screen.findByRole("alert");
  await press(page.visitor, "What happened");
  await screen.findByRole("list", { name: "What happened" });
  await press(page.visitor, "Start a new session");
  collect();
  return { ...page, parts, collect };
}

/** A page whose session has ended, with a file in it. */
async function showOver(classNames?: ClassNames) {
  const server = await visited();
  server.addFile("report.pdf");
  server.close("expired");
  const page = open(everything, { server, ...(classNames && { classNames }) });
  await state("reset_required");
  return page;
}

test("every class is the name of a part", async () => {
  const { parts } = await showAll();
  expect([...parts].sort()).toEqual(
    "actions activity attach bar button code count danger data dialog drop empty error field file files icon state status summary upload where"
      .split(" ")
      .map((part) => `maria-${part}`),
  );
});

test("the alert and the line that opens it again have their classes", async () => {
  const { visitor } = await showOver();
  const dialog = screen.getByRole("alertdialog");
  expect(dialog).toHaveClass("maria-dialog");
  expect(within(dialog).getByRole("button", { name: "Start a new session" })).toHaveClass(
    "maria-primary",
  );
  await press(visitor, "Later");
  expect(screen.getByText("Your session has expired")).toHaveClass("maria-notice");
});

test("a page can rename some parts, and the others keep their names", async () => {
  const { visitor } = await showOver({ dialog: "modal", primary: "btn btn-lg" });
  const dialog = screen.getByRole("alertdialog");
  expect(dialog).toHaveAttribute("class", "modal");
  expect(within(dialog).getByRole("button", { name: "Start a new session" })).toHaveAttribute(
    "class",
    "btn btn-lg",
  );
  await press(visitor, "Later");
  expect(screen.getByText("Your session has expired")).toHaveClass("maria-notice");
});

test("no element has an inline style or script", async () => {
  const { container } = await showAll();
  const all = [...container.querySelectorAll("*")];
  expect(all.length).toBeGreaterThan(50);
  expect(all.filter((element) => element.matches("style, script, [style]"))).toEqual([]);
  const attributes = all.flatMap((element) => element.getAttributeNames());
  expect(attributes.filter((name) => name.startsWith("on"))).toEqual([]);
});

test("every button has a type and a name", async () => {
  await showAll();
  for (const button of screen.getAllByRole("button")) {
    expect(button).toHaveAccessibleName();
    expect(button).toHaveAttribute("type", button.closest("form") ? "submit" : "button");
  }
});

describe("words", () => {
  const deutsch: Messages = {
    ...english,
    choose: "Dateien auswählen",
    drop: "oder hierher ziehen",
    noFiles: "Noch keine Dateien.",
    whereFiles: "Wo sind meine Dateien?",
    error: ({ code }) => `Fehler: ${code}`,
    allowed: ({ types }) => `Erlaubt: ${types.join()}`,
  };

  test("of the page replace the default ones, and the others stay", async () => {
    const { visitor } = await openReady(everything, { messages: deutsch });
    const input = screen.getByLabelText("Dateien auswählen oder hierher ziehen Erlaubt: pdf");
    expect(await screen.findByText("Noch keine Dateien.")).toBeVisible();
    expect(screen.getByText("Wo sind meine Dateien?")).toBeVisible();
    expect(screen.getByText("Your e-mail address")).toBeVisible();
    await visitor.upload(input, file("empty.pdf", 0));
    const item = (await screen.findByText("empty.pdf")).closest("li") as HTMLElement;
    expect(item).toHaveTextContent("Fehler: file_empty");
  });
});
