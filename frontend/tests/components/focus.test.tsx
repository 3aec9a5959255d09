/** The focus stays near when the control that has it disappears. It never falls to the page. */
import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, describe, expect, test } from "vitest";
import { YourData } from "../../src/components/YourData.js";
import {
  FileUpload,
  ResetSession,
  SessionResetAlert,
  SessionStatus,
  useKeptFocus,
  useSession,
} from "../../src/index.js";
import { file, open, press, replaceElsewhere, state, visited } from "./page.js";

/** A page's own button, which disappears with the session. */
function EndSession() {
  const { uuid, endSession } = useSession();
  const keptFocus = useKeptFocus();
  return uuid ? (
    <button ref={keptFocus} type="button" onClick={() => void endSession()}>
      End
    </button>
  ) : null;
}

const everything = (
  <main>
    <dialog open aria-label="Sheet">
      <YourData />
    </dialog>
    <SessionStatus />
    <SessionResetAlert />
    <FileUpload />
    <section aria-label="Session">
      <p>Your session</p>
      <ResetSession />
      <EndSession />
    </section>
  </main>
);

const region = (name: string) => screen.getByRole("region", { name });
const row = async (name: string) => (await screen.findByText(name)).closest("li") as HTMLElement;
const button = (name: string, part: HTMLElement) => within(part).getByRole("button", { name });
const has = (element: () => Element) =>
  waitFor(() => expect(document.activeElement).toBe(element()));

/** A page whose session has these files. */
async function openWith(...names: string[]) {
  const server = await visited({ limits: { max_files: 10 } });
  names.forEach((name) => server.addFile(name));
  const page = open(everything, { server });
  await state("ready");
  for (const name of names) await row(name);
  return page;
}

afterEach(() => expect(document.activeElement).not.toBe(document.body));

describe("in the list of files", () => {
  test("removing one moves it to the next, then to the previous, then to the region", async () => {
    const { visitor } = await openWith("a.pdf", "b.pdf", "c.pdf");
    await press(visitor, "Remove", await row("b.pdf"));
    const c = await row("c.pdf");
    await has(() => button("Download", c));
    await press(visitor, "Remove", c);
    const a = await row("a.pdf");
    await has(() => button("Remove", a));
    await visitor.keyboard("{Enter}");
    await has(() => region("Your files"));
    expect(region("Your files")).toHaveAttribute("tabindex", "-1");
  });

  test("dismissing a refused file moves it to the next", async () => {
    const { visitor } = await openWith();
    await visitor.upload(screen.getByLabelText(/Choose files/), [
      file("empty.pdf", 0),
      file("none.pdf", 0),
    ]);
    await press(visitor, "Remove", await row("empty.pdf"));
    const none = await row("none.pdf");
    await has(() => button("Remove", none));
  });

  test("trying again moves it to the file's other button, where it stays", async () => {
    const { server, visitor } = await openWith();
    server.failNext({ method: "POST", code: "rate_limited", headers: { "Retry-After": "3600" } });
    await visitor.upload(screen.getByLabelText(/Choose files/), file("patient.pdf"));
    const item = await row("patient.pdf");
    server.stepwise = true;
    await visitor.click(await within(item).findByRole("button", { name: "Try again" }));
    const cancel = await within(item).findByRole("button", { name: "Cancel" });
    await has(() => cancel);
    await waitFor(() => expect(server.transfers).toHaveLength(1));
    server.transfers[0]?.finish();
    await has(() => button("Remove", item));
    expect(button("Remove", item)).toBe(cancel);
  });

  test("loading the list again moves it to the first file", async () => {
    const server = await visited();
    server.addFile("there.pdf");
    server.failNext({ path: "uploads/", status: 502, body: "" });
    const { visitor } = open(everything, { server });
    await visitor.click(await screen.findByRole("button", { name: "Try again" }));
    const there = await row("there.pdf");
    await has(() => button("Download", there));
  });

  test("files that disappear by themselves leave it in the region", async () => {
    const { server } = await openWith("a.pdf", "b.pdf");
    const item = await row("a.pdf");
    button("Download", item).focus();
    await replaceElsewhere(server);
    await waitFor(() => expect(item).not.toBeInTheDocument());
    await has(() => region("Your files"));
  });

  test("files that disappear do not take it from elsewhere", async () => {
    const { server } = await openWith("a.pdf");
    const item = await row("a.pdf");
    const code = screen.getByRole("textbox", { name: "Recovery code from support" });
    code.focus();
    await replaceElsewhere(server);
    await waitFor(() => expect(item).not.toBeInTheDocument());
    expect(code).toHaveFocus();
  });
});

test("staying in a session that was about to end leaves it in the region", async () => {
  const server = await visited({ lifetime: 120_000 });
  const { visitor } = open(everything, { server });
  await state("expiring");
  server.session().expiresAt += 3_600_000;
  await press(visitor, "Keep my session");
  await state("ready");
  await has(() => screen.getByRole("main"));
});

describe("an alert that was not asked for", () => {
  /** A page that is opened after its session has ended. */
  async function openOver() {
    const server = await visited();
    server.addFile("report.pdf");
    server.close("expired");
    const page = open(everything, { server });
    await screen.findByRole("alertdialog");
    return page;
  }

  test.each(["Escape", "Later"])("leaves it on the line that stays after %s", async (way) => {
    const { visitor } = await openOver();
    const close = () => (way === "Later" ? press(visitor, way) : visitor.keyboard("{Escape}"));
    await close();
    await has(() => screen.getByRole("button", { name: "What can I do?" }));
    await visitor.keyboard("{Enter}");
    await screen.findByRole("alertdialog");
    await close();
    await has(() => screen.getByRole("button", { name: "What can I do?" }));
  });

  test("returns it to where it was", async () => {
    const { server, visitor } = await openWith("report.pdf");
    server.close("expired");
    await press(visitor, "Save");
    await screen.findByRole("alertdialog");
    await press(visitor, "Later");
    await has(() => screen.getByRole("button", { name: "Save" }));
  });

  test("leaves it in the region when a new session has started", async () => {
    const { visitor } = await openOver();
    await press(visitor, "Start a new session", screen.getByRole("alertdialog"));
    await state("ready");
    await has(() => screen.getByRole("main"));
  });
});

describe("in the data panel", () => {
  test("erasing everything leaves it in the panel", async () => {
    const { visitor } = await openWith();
    await press(visitor, "Erase everything");
    await press(visitor, "Erase everything", screen.getByRole("alertdialog"));
    await state("idle");
    await has(() => region("Your data"));
  });

  test("a confirmed address moves it to the next control", async () => {
    const { server, visitor } = await openWith();
    await visitor.type(screen.getByLabelText("Your e-mail address"), "maria@example.com{Enter}");
    await visitor.click(await screen.findByRole("button", { name: "Send a code to confirm it" }));
    const field = await screen.findByLabelText("The six digits from the e-mail");
    await visitor.type(field, `${server.emails[0]?.code}{Enter}`);
    await waitFor(() => expect(field).not.toBeInTheDocument());
    await has(() => screen.getByRole("button", { name: "What happened" }));
  });

  test("the last page of events moves it to the next control", async () => {
    const { visitor } = await openWith();
    await press(visitor, "What happened");
    await screen.findByRole("list", { name: "What happened" });
    await has(() => screen.getByRole("button", { name: "Download everything" }));
  });

  test("a session that another tab has replaced moves it to the new field", async () => {
    const { server, visitor } = await openWith();
    const field = screen.getByLabelText("Your e-mail address");
    await visitor.type(field, "maria@");
    await replaceElsewhere(server);
    await waitFor(() => expect(field).not.toBeInTheDocument());
    await has(() => screen.getByLabelText("Your e-mail address"));
  });
});

describe("dialogs", () => {
  test("that are cancelled return it to their button", async () => {
    const { visitor } = await openWith();
    await press(visitor, "Start a new session");
    await press(visitor, "Cancel", screen.getByRole("alertdialog"));
    await has(() => screen.getByRole("button", { name: "Start a new session" }));
  });

  test("whose button has disappeared leave it in the region", async () => {
    const { server, visitor } = await openWith();
    await press(visitor, "Not you?");
    server.close("revoked");
    await press(visitor, "Not you?", screen.getByRole("alertdialog"));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
    await waitFor(() =>
      expect(region("Your data")).toContainElement(document.activeElement as HTMLElement),
    );
  });
});

test("a page's own button gives it to a neighbour when the session has ended", async () => {
  const { visitor } = await openWith();
  await press(visitor, "End");
  await state("idle");
  await has(() => region("Session"));
});
