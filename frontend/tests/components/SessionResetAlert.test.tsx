/** The alert says why a session cannot continue, which files are lost and what to do. */
import { render, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test, vi } from "vitest";
import { SessionResetAlert, type ResetReason } from "../../src/index.js";
import { createFakeServer } from "../../src/testing/index.js";
import { open, pageOf, press, shownUuid, state, visited } from "./page.js";

const OTHER = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
const alert = () => screen.findByRole("alertdialog");

/** A page whose session has ended, with files in it. */
async function openOver(reason: ResetReason = "expired", ...names: string[]) {
  const server = await visited();
  for (const name of names.length ? names : ["report.pdf"]) server.addFile(name);
  server.close(reason);
  const page = open(<SessionResetAlert />, { server });
  await state("reset_required");
  return { ...page, ended: server.session() };
}

/** A page whose stored UUID is not the session that the browser proves. */
async function openMismatch() {
  const server = await visited();
  localStorage.setItem("session_uuid", OTHER);
  const page = open(<SessionResetAlert />, { server });
  await state("mismatch");
  return { ...page, proven: server.session() };
}

test("there is no alert while the session is usable", async () => {
  const { container } = open(<SessionResetAlert />, { server: await visited() });
  await state("ready");
  expect(within(container).queryByRole("alertdialog")).toBeNull();
});

test("a session that ends without files is replaced without an alert", async () => {
  const server = await visited();
  server.close("expired");
  open(<SessionResetAlert />, { server });
  await waitFor(() => expect(server.sessions).toHaveLength(2));
  await state("ready");
  expect(screen.queryByRole("alertdialog")).toBeNull();
});

describe("a session that has ended", () => {
  test.each([
    ["expired", "Your session has expired"],
    ["ended", "Your session was ended"],
    ["revoked", "Your session was closed by support"],
    ["reset", "Your session was replaced by a new one"],
  ] as const)("because it was %s is named so", async (reason, title) => {
    await openOver(reason);
    expect(await alert()).toHaveAccessibleName(title);
    expect(screen.getByRole("heading", { name: title })).toBeVisible();
  });

  test("names the lost files in its description", async () => {
    await openOver("expired", "a.pdf", "b.pdf");
    expect(await alert()).toHaveAccessibleDescription(
      "You can no longer open 2 files from it: “\u2068a.pdf\u2069”, “\u2068b.pdf\u2069”. Support may be able to help.",
    );
  });

  test("uses the singular for one file", async () => {
    await openOver();
    expect(await alert()).toHaveAccessibleDescription(
      /^You can no longer open 1 file from it: “\u2068report.pdf\u2069”/,
    );
  });

  test("is replaced by a new one, and the alert closes", async () => {
    const { server, visitor, ended } = await openOver();
    await press(visitor, "Start a new session");
    await state("ready");
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(shownUuid()).toBe(server.session().uuid);
    expect(shownUuid()).not.toBe(ended.uuid);
    expect(ended.successor?.uuid).toBe(shownUuid());
    const [reset] = server.requests.filter(({ path }) => path.endsWith("reset/"));
    expect(reset?.body).toEqual({ reason: "expired" });
  });

  test("stays if the reset fails, and the reset can be repeated", async () => {
    const { server, visitor, ended } = await openOver();
    server.failNext({ path: "sessions/current/reset/", code: "rate_limited" });
    await press(visitor, "Start a new session");
    expect(await screen.findByRole("alert")).toHaveTextContent("Too many requests. Wait a moment.");
    expect(server.sessions).toHaveLength(1);
    expect(localStorage.getItem("session_uuid")).toBe(ended.uuid);
    await press(visitor, "Start a new session");
    await state("ready");
  });

  test("shows that it is working, and sends one request for several clicks", async () => {
    const { server, visitor } = await openOver();
    const hold = server.hold({ path: "sessions/current/reset/" });
    await press(visitor, "Start a new session");
    const button = await screen.findByRole("button", { name: "One moment…" });
    expect(button).toHaveAttribute("aria-disabled", "true");
    await visitor.click(button);
    await waitFor(() => expect(hold.count).toBe(1));
    hold.release();
    await state("ready");
    expect(server.sessions).toHaveLength(2);
  });
});

describe("closing the alert", () => {
  test.each(["Escape", "Later"])("by %s leaves a line that opens it again", async (way) => {
    const { server, visitor, ended } = await openOver();
    await alert();
    if (way === "Later") await press(visitor, way);
    else await visitor.keyboard("{Escape}");
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(screen.getByText("Your session has expired")).toHaveRole("status");
    expect(localStorage.getItem("session_uuid")).toBe(ended.uuid);
    expect(server.sessions).toHaveLength(1);
    await press(visitor, "What can I do?");
    expect(await alert()).toBeVisible();
  });
});

describe("a mismatch", () => {
  test("is shown with the support code of the proven session", async () => {
    const { proven } = await openMismatch();
    expect(await alert()).toHaveAccessibleName("This browser has another session");
    expect(await alert()).toHaveAccessibleDescription(/Nothing was deleted/);
    expect(within(await alert()).getByText(proven.supportCode)).toBeVisible();
  });

  test("can be continued", async () => {
    const { server, visitor, proven } = await openMismatch();
    await press(visitor, "Continue with your session");
    await state("ready");
    expect(shownUuid()).toBe(proven.uuid);
    expect(localStorage.getItem("session_uuid")).toBe(proven.uuid);
    expect(proven.status).toBe("active");
    expect(server.sessions).toHaveLength(1);
  });

  test("can be replaced by a new session", async () => {
    const { server, visitor, proven } = await openMismatch();
    await press(visitor, "Start a new session");
    await state("ready");
    expect(proven.status).toBe("reset");
    expect(shownUuid()).toBe(server.session().uuid);
  });

  test("stays if continuing fails", async () => {
    const { server, visitor } = await openMismatch();
    server.offline = true;
    await press(visitor, "Continue with your session");
    expect(await screen.findByRole("alert")).toHaveTextContent("The server cannot be reached.");
    await state("mismatch");
    expect(localStorage.getItem("session_uuid")).toBe(OTHER);
  });
});

describe("the support code", () => {
  test("is shown, and copied by a button that says so", async () => {
    const { visitor, ended } = await openOver();
    expect(within(await alert()).getByText(ended.supportCode)).toBeVisible();
    await press(visitor, "Copy");
    expect(await screen.findByText("Copied")).toHaveRole("status");
    expect(await navigator.clipboard.readText()).toBe(ended.supportCode);
  });

  test("asks to copy by hand if the browser refuses", async () => {
    const { visitor } = await openOver();
    vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new DOMException("Denied"));
    await press(visitor, "Copy");
    expect(await screen.findByText(/copy the code by hand/)).toHaveRole("status");
  });

  test("has no button where there is no clipboard, as on plain HTTP", async () => {
    const server = await visited();
    server.addFile("report.pdf");
    server.close("expired");
    // user-event would provide a clipboard.
    Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
    render(pageOf(<SessionResetAlert />, { server }));
    expect(within(await alert()).getByText(server.session().supportCode)).toBeVisible();
    expect(screen.queryByRole("button", { name: "Copy" })).toBeNull();
  });
});

test("every control works with the keyboard alone", async () => {
  const { visitor, ended } = await openOver();
  await alert();
  const names = [];
  for (let presses = 0; presses < 3; presses++) {
    await visitor.tab();
    names.push(document.activeElement?.textContent);
  }
  expect(names).toEqual(["Copy", "Start a new session", "Later"]);
  await visitor.tab({ shift: true });
  await visitor.keyboard("{Enter}");
  await state("ready");
  expect(ended.successor).not.toBeNull();
});

test("a session that the server does not know causes no alert", async () => {
  localStorage.setItem("session_uuid", OTHER);
  const { server } = open(<SessionResetAlert />, { server: createFakeServer() });
  await state("ready");
  expect(screen.queryByRole("alertdialog")).toBeNull();
  expect(shownUuid()).toBe(server.session().uuid);
});
