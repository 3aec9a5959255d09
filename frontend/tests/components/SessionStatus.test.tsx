/** The status line, the support codes, and the reset button. */
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { ResetSession, SessionStatus, WhereAreMyFiles } from "../../src/index.js";
import { createFakeServer } from "../../src/testing/index.js";
import { requestCount, open, openReady, press, shownUuid, state, visited } from "./page.js";

const line = () => document.querySelector(".maria-status") as HTMLElement;

describe("SessionStatus", () => {
  test("is an empty live region while the session is usable", async () => {
    open(<SessionStatus />, { server: await visited() });
    await state("ready");
    expect(line()).toHaveRole("status");
    expect(line()).toBeEmptyDOMElement();
    expect(line()).toHaveAttribute("data-status", "ready");
  });

  test("says that a session is being created", async () => {
    const server = createFakeServer();
    const hold = server.hold({ method: "POST" });
    const { visitor } = open(<SessionStatus />, { server });
    await press(visitor, "Say hello");
    await state("starting");
    expect(line()).toHaveTextContent("Starting your session…");
    hold.release();
    await state("ready");
    expect(line()).toBeEmptyDOMElement();
  });

  test("says when the session ends, and lets the visitor stay", async () => {
    const server = await visited({ lifetime: 120_000 });
    const { visitor } = open(<SessionStatus />, { server });
    await state("expiring");
    expect(line()).toHaveTextContent(/^Your session ends at \d\d?:\d\d.[AP]M\. ?Keep my session$/);
    server.session().expiresAt += 3_600_000;
    await press(visitor, "Keep my session");
    await state("ready");
    expect(line()).toBeEmptyDOMElement();
  });

  test("says that the server does not answer and nothing is lost, and retries on request", async () => {
    const server = await visited();
    server.offline = true;
    const { visitor } = open(<SessionStatus />, { server });
    await state("offline");
    expect(line()).toHaveTextContent(
      "The server cannot be reached. Is this device online? Nothing is lost. Trying again…",
    );
    expect(localStorage.getItem("session_uuid")).toBe(server.session().uuid);
    server.offline = false;
    await press(visitor, "Try again");
    await state("ready");
    expect(server.sessions).toHaveLength(1);
  });

  test("says that the server refuses, and retries on request", async () => {
    const server = createFakeServer();
    server.failNext({ method: "POST", code: "origin_not_allowed" });
    const { visitor } = open(<SessionStatus />, { server });
    await press(visitor, "Say hello");
    await state("failed");
    expect(line()).toHaveTextContent(/^Something went wrong \(origin_not_allowed\)\. ?Try again$/);
    await press(visitor, "Try again");
    await state("ready");
  });

  test("says that a reload loses the session if the storage is forbidden", async () => {
    const storage = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("Denied", "SecurityError");
      },
      removeItem: () => undefined,
    };
    await openReady(<SessionStatus />, { options: { storage } });
    expect(line()).toHaveTextContent("Your session ends when you reload it");
  });

  test("says the same where the browser refuses cookies, and still has a session", async () => {
    const server = createFakeServer();
    const { fetch } = server.browser({ cookies: false });
    await openReady(<SessionStatus />, { server, options: { fetch } });
    expect(line()).toHaveTextContent("Your session ends when you reload it");
  });
});

describe("WhereAreMyFiles", () => {
  const open_ = async (visitor: { click(element: Element): Promise<void> }) =>
    visitor.click(screen.getByText("Where are my files?"));

  test("says that there is no session", async () => {
    const { visitor } = open(<WhereAreMyFiles />, { options: { autoStart: "manual" } });
    await open_(visitor);
    expect(screen.getByText("There is no session in this browser.")).toBeVisible();
    expect(screen.queryByRole("button", { name: "Copy" })).toBeNull();
  });

  test("shows the support code", async () => {
    const { server, visitor } = await openReady(<WhereAreMyFiles />);
    await open_(visitor);
    expect(screen.getByText(/They belong to your session/)).toBeVisible();
    expect(screen.getByText(server.session().supportCode)).toBeVisible();
  });

  test("shows the code of the previous session, also after a reload", async () => {
    const server = await visited();
    const first = await openReady(<WhereAreMyFiles />, { server });
    server.forget();
    first.unmount();
    const { visitor } = open(<WhereAreMyFiles />, { server });
    await waitFor(() => expect(server.sessions).toHaveLength(2));
    await state("ready");
    await open_(visitor);
    const [before, now] = server.sessions;
    expect(screen.getByText("The code of your previous session:")).toBeVisible();
    expect(screen.getByText(before?.supportCode ?? "")).toBeVisible();
    expect(screen.getByText(now?.supportCode ?? "")).toBeVisible();
  });
});

describe("ResetSession", () => {
  test("renders nothing without a session", () => {
    open(<ResetSession />);
    expect(screen.queryByRole("button", { name: "Start a new session" })).toBeNull();
  });

  test("asks for confirmation, and says what happens to the files", async () => {
    const { server, visitor } = await openReady(<ResetSession />);
    await press(visitor, "Start a new session");
    const dialog = screen.getByRole("alertdialog", { name: "Start a new session" });
    expect(dialog).toHaveAccessibleDescription(/Your files stay in the old one/);
    expect(requestCount(server, "POST", "sessions/current/reset/")).toBe(0);
  });

  test.each(["Cancel", "Escape"])("changes nothing on %s", async (way) => {
    const { server, visitor } = await openReady(<ResetSession />);
    await press(visitor, "Start a new session");
    if (way === "Cancel") await press(visitor, way);
    else await visitor.keyboard("{Escape}");
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(requestCount(server, "POST", "sessions/current/reset/")).toBe(0);
    expect(shownUuid()).toBe(server.session().uuid);
  });

  test("creates a new session", async () => {
    const { server, visitor } = await openReady(<ResetSession />);
    const before = server.session();
    await press(visitor, "Start a new session");
    await press(visitor, "Start a new session", screen.getByRole("alertdialog"));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
    await state("ready");
    expect(before.status).toBe("reset");
    expect(shownUuid()).toBe(before.successor?.uuid);
  });

  test("says in the dialog why it failed, and nothing has changed", async () => {
    const { server, visitor } = await openReady(<ResetSession />);
    server.failNext({ path: "sessions/current/reset/", status: 502, body: "<h1>Bad gateway</h1>" });
    await press(visitor, "Start a new session");
    const dialog = screen.getByRole("alertdialog");
    await press(visitor, "Start a new session", dialog);
    expect(await within(dialog).findByRole("alert")).toHaveTextContent(
      "The server cannot be reached properly just now.",
    );
    expect(server.session().status).toBe("active");
    expect(shownUuid()).toBe(server.session().uuid);
  });

  test("with reason not_me forgets the previous support code", async () => {
    const page = (
      <>
        <ResetSession reason="not_me" />
        <WhereAreMyFiles />
      </>
    );
    const { server, visitor } = await openReady(page);
    const before = server.session();
    await press(visitor, "Not you?");
    expect(screen.getByRole("alertdialog")).toHaveAccessibleDescription(/Theirs is closed/);
    await press(visitor, "Not you?", screen.getByRole("alertdialog"));
    await waitFor(() => expect(before.status).toBe("reset"));
    await state("ready");
    expect(screen.queryByText(before.supportCode)).toBeNull();
    expect(screen.getByText(server.session().supportCode)).toBeInTheDocument();
    expect(localStorage.getItem("session_support_code")).not.toContain(before.supportCode);
  });
});
