/** Visitors see, change, export and erase their data, and restore a session. */
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test, vi } from "vitest";
import { YourData } from "../../src/components/YourData.js";
import { useSession } from "../../src/index.js";
import { createFakeServer } from "../../src/testing/index.js";
import { requestCount, open, openReady, press, shownUuid, state, visited } from "./page.js";

const CONTACT = { purpose: "contact", version: "2026-11", label: "You may write to me." };
const address = () => screen.getByRole("textbox", { name: "Your e-mail address" });
const email = "maria@example.com";

/** A page's own button that ends the session. */
function EndSession() {
  const { endSession } = useSession();
  return (
    <button type="button" onClick={() => void endSession()}>
      End
    </button>
  );
}

/** A page whose visitor has an e-mail address. */
async function openKnown() {
  const server = await visited();
  server.session().email = email;
  const page = open(<YourData />, { server });
  await state("ready");
  return page;
}

test("without a session it shows only the recovery code field", () => {
  open(<YourData />);
  const panel = screen.getByRole("region", { name: "Your data" });
  expect(
    within(panel)
      .getAllByRole("button")
      .map((button) => button.textContent),
  ).toEqual(["Bring my session back"]);
  expect(panel).toHaveTextContent("There is no session in this browser.");
});

describe("without data to show it says", () => {
  const shown = () => screen.getByRole("region", { name: "Your data" }).textContent;

  test("that an ended session's files are still kept, and their code", async () => {
    const server = await visited();
    server.addFile("report.pdf");
    const { supportCode, files } = server.session();
    const { visitor } = open(
      <>
        <YourData />
        <EndSession />
      </>,
      { server },
    );
    await state("ready");
    await press(visitor, "End");
    await state("idle");
    expect(shown()).toContain(
      `Your session has ended. Its files and data are kept for a few days. Until they are deleted, support may be able to restore them with the code ${supportCode}.`,
    );
    expect(files).toHaveLength(1);
  });

  test("that an expired session's files are still kept", async () => {
    const server = await visited();
    server.addFile("report.pdf");
    server.close("expired");
    open(<YourData />, { server });
    await state("reset_required");
    expect(shown()).toContain("Your session has ended. Its files and data are kept");
  });

  test("that the data are unknown while the server cannot be reached", async () => {
    const server = await visited();
    server.offline = true;
    open(<YourData />, { server });
    await state("offline");
    expect(shown()).toContain("The server cannot be reached, so your data cannot be shown now.");
  });

  test("that the data are being loaded", async () => {
    const server = await visited();
    const hold = server.hold();
    open(<YourData />, { server });
    await waitFor(() => expect(hold.count).toBe(1));
    expect(shown()).toContain("Loading your data…");
    hold.release();
    await state("ready");
    expect(shown()).not.toContain("Loading");
  });
});

describe("the address", () => {
  test("is saved, and the focus stays where it was", async () => {
    const { server, visitor } = await openReady(<YourData />);
    await visitor.type(address(), ` ${email}{Enter}`);
    await screen.findByRole("button", { name: "Send a code to confirm it" });
    expect(server.session().email).toBe(email);
    expect(address()).toHaveFocus();
    expect(address()).toHaveValue(email);
  });

  test("is shown, and can be removed", async () => {
    const { server, visitor } = await openKnown();
    expect(address()).toHaveValue(email);
    await visitor.clear(address());
    await press(visitor, "Save");
    await waitFor(() => expect(server.session().email).toBe(""));
    expect(screen.queryByRole("button", { name: "Send a code to confirm it" })).toBeNull();
  });

  test("shows the server's error for that field, and is not stored", async () => {
    const { server, visitor } = await openReady(<YourData />);
    await visitor.type(address(), "maria@home");
    await press(visitor, "Save");
    expect(await screen.findByRole("alert")).toHaveTextContent("Check what you entered.");
    expect(server.session().email).toBe("");
    expect(address()).toHaveValue("maria@home");
  });

  test("is tied to its error, and is wrong only if the server says so", async () => {
    const { server, visitor } = await openReady(<YourData />);
    expect(address()).not.toHaveAccessibleDescription();
    expect(address()).toBeValid();
    server.failNext({ method: "PATCH", code: "database_unavailable" });
    await visitor.type(address(), "maria@home{Enter}");
    await waitFor(() => expect(address()).toHaveAccessibleDescription(/at the moment/));
    expect(address()).toBeValid();
    await press(visitor, "Save");
    await waitFor(() =>
      expect(address()).toHaveAccessibleDescription(
        "This cannot be saved. Check what you entered.",
      ),
    );
    expect(address()).toBeInvalid();
    const code = screen.getByRole("textbox", { name: "Recovery code from support" });
    expect(code).not.toHaveAccessibleDescription();
  });

  test("is sent once for several clicks", async () => {
    const { server, visitor } = await openReady(<YourData />);
    const hold = server.hold({ method: "PATCH" });
    await visitor.type(address(), `${email}{Enter}`);
    await press(visitor, "One moment…");
    await waitFor(() => expect(hold.count).toBe(1));
    hold.release();
    await screen.findByRole("button", { name: "Send a code to confirm it" });
    expect(requestCount(server, "PATCH", "sessions/current/")).toBe(1);
  });

  test("is confirmed by the mailed code, also after a wrong one", async () => {
    const { server, visitor } = await openKnown();
    await press(visitor, "Send a code to confirm it");
    expect(await screen.findByText("We sent you a code by e-mail.")).toHaveRole("status");
    const [mail] = server.emails;
    expect(mail?.to).toBe(email);
    const field = screen.getByRole("textbox", { name: "The six digits from the e-mail" });
    expect(field).toHaveAttribute("autocomplete", "one-time-code");
    expect(field).toBeRequired();
    const code = mail?.code ?? "";
    await visitor.type(field, code === "000000" ? "000001" : "000000");
    await press(visitor, "Confirm");
    expect(await screen.findByRole("alert")).toHaveTextContent(
      "This is not the code that was sent",
    );
    expect(server.session().completedAt).toBeNull();
    await visitor.clear(field);
    await visitor.type(field, code);
    await press(visitor, "Confirm");
    expect(await screen.findByText("Confirmed")).toHaveRole("status");
    expect(server.session().completedAt).not.toBeNull();
    expect(field).not.toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Send a code to confirm it" })).toBeNull();
  });

  test("shows the error if no code can be mailed", async () => {
    const { server, visitor } = await openKnown();
    server.failNext({ path: "sessions/current/email/", code: "mail_unavailable" });
    await press(visitor, "Send a code to confirm it");
    expect(await screen.findByRole("alert")).toHaveTextContent("This does not work at the moment.");
    expect(server.emails).toEqual([]);
    expect(screen.queryByRole("button", { name: "Confirm" })).toBeNull();
  });
});

describe("consent", () => {
  const box = () => screen.getByRole("checkbox", { name: CONTACT.label });

  test("is shown only if the page passes purposes", async () => {
    await openReady(<YourData />);
    expect(screen.queryByRole("group", { name: "What you agreed to" })).toBeNull();
  });

  test("is stored with the version of the wording, and can be withdrawn", async () => {
    const { server, visitor } = await openReady(<YourData consents={[CONTACT]} />);
    expect(screen.getByRole("group", { name: "What you agreed to" })).toContainElement(box());
    expect(box()).not.toBeChecked();
    await visitor.click(box());
    await waitFor(() => expect(box()).toBeChecked());
    expect(server.session().consent).toEqual({ contact: { granted: true, version: "2026-11" } });
    await visitor.click(box());
    await waitFor(() => expect(box()).not.toBeChecked());
    expect(server.session().consent).toEqual({ contact: { granted: false, version: "2026-11" } });
  });

  test("shows the server's state if it cannot be saved", async () => {
    const { server, visitor } = await openReady(<YourData consents={[CONTACT]} />);
    server.failNext({ method: "PATCH" });
    await visitor.click(box());
    expect(await screen.findByRole("alert")).toHaveTextContent("The server cannot be reached.");
    expect(box()).not.toBeChecked();
    expect(server.session().consent).toEqual({});
  });

  test("sends one request at a time", async () => {
    const { server, visitor } = await openReady(<YourData consents={[CONTACT]} />);
    const hold = server.hold({ method: "PATCH" });
    await visitor.click(box());
    await waitFor(() => expect(box()).toHaveAttribute("aria-disabled", "true"));
    await visitor.click(box());
    await waitFor(() => expect(hold.count).toBe(1));
    hold.release();
    await waitFor(() => expect(box()).toBeChecked());
    expect(requestCount(server, "PATCH", "sessions/current/")).toBe(1);
  });
});

describe("what happened", () => {
  const items = () =>
    within(screen.getByRole("list", { name: "What happened" }))
      .getAllByRole("listitem")
      .map(({ textContent }) => textContent);

  test("is listed newest first, page by page, including access by support", async () => {
    const server = await visited({ pageSize: 2 });
    server.addFile("report.pdf");
    const [began] = server.session().events;
    if (!began) throw new Error("No event.");
    server.session().events.push({
      ...began,
      event_id: "looked",
      event: "staff.session_viewed",
      meaning: "A sentence of the server.",
      who: "support staff",
    });
    const { visitor } = open(<YourData />, { server });
    await state("ready");
    await press(visitor, "What happened");
    await screen.findByRole("button", { name: "Show more" });
    expect(items()).toEqual([
      expect.stringMatching(/ Support opened a page about this session\.$/),
      expect.stringMatching(/ You uploaded report\.pdf\.$/),
    ]);
    await press(visitor, "Show more");
    await waitFor(() => expect(items()).toHaveLength(3));
    expect(items()[2]).toMatch(/ You started this session\.$/);
    expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
    const time = screen.getByRole("list", { name: "What happened" }).querySelector("time");
    expect(Date.parse(time?.dateTime ?? "")).toBeGreaterThan(0);
  });

  test("shows a long file name short, in its own direction", async () => {
    const server = await visited();
    const name = `${"א".repeat(250)}.pdf`;
    server.addFile(name);
    const { visitor } = open(<YourData />, { server });
    await state("ready");
    await press(visitor, "What happened");
    const shown = await screen.findByTitle(name);
    expect(shown.tagName).toBe("BDI");
    expect(shown).toHaveTextContent(/^.{55}….{20}\.pdf$/);
    expect(shown.parentElement).toHaveTextContent(/You uploaded .{80}\.$/);
  });

  test("can be loaded again after a failure", async () => {
    const { server, visitor } = await openKnown();
    server.failNext({ path: "sessions/current/activity/", status: 500, body: "<html>" });
    await press(visitor, "What happened");
    expect(await screen.findByRole("alert")).toHaveTextContent("cannot be reached properly");
    await press(visitor, "What happened");
    await screen.findByRole("list", { name: "What happened" });
    expect(screen.queryByRole("alert")).toBeNull();
  });
});

test("everything can be downloaded, as a JSON file", async () => {
  let saved: Blob | undefined;
  const names: string[] = [];
  const urls = {
    createObjectURL: (blob: Blob) => {
      saved = blob;
      return "blob:data";
    },
    revokeObjectURL: vi.fn(),
  };
  Object.assign(URL, urls); // jsdom has neither.
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (
    this: HTMLAnchorElement,
  ) {
    names.push(`${this.href} ${this.download}`);
  });
  const { visitor } = await openKnown();
  await press(visitor, "Download everything");
  await waitFor(() => expect(names).toEqual(["blob:data your-data.json"]));
  expect(saved?.type).toBe("application/json");
  const document_ = JSON.parse((await saved?.text()) ?? "") as { session: { email: string } };
  expect(document_.session.email).toBe(email);
});

describe("leaving", () => {
  test('with "Not you?" creates a new session without the address', async () => {
    const { server, visitor } = await openKnown();
    const before = server.session();
    await press(visitor, "Not you?");
    await press(visitor, "Not you?", screen.getByRole("alertdialog"));
    await waitFor(() => expect(before.status).toBe("reset"));
    await state("ready");
    expect(address()).toHaveValue("");
    expect(shownUuid()).toBe(before.successor?.uuid);
  });

  test("by erasing asks for confirmation", async () => {
    const { server, visitor } = await openKnown();
    await press(visitor, "Erase everything");
    expect(screen.getByRole("alertdialog")).toHaveAccessibleDescription(/cannot be undone/);
    await press(visitor, "Cancel");
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(server.session().status).toBe("active");
    expect(server.session().email).toBe(email);
  });

  test("by erasing leaves no data in the browser or on the server", async () => {
    const { server, visitor } = await openKnown();
    await press(visitor, "Erase everything");
    await press(visitor, "Erase everything", screen.getByRole("alertdialog"));
    await state("idle");
    expect(server.session().status).toBe("erased");
    expect(server.sessions).toHaveLength(1);
    expect(localStorage.getItem("session_uuid")).toBeNull();
    expect(localStorage.getItem("session_support_code")).toBe("");
    expect(screen.getByText("There is no session in this browser.")).toBeVisible();
    expect(screen.queryByRole("textbox", { name: "Your e-mail address" })).toBeNull();
  });

  test("by erasing shows a failure, and nothing is deleted", async () => {
    const { server, visitor } = await openKnown();
    server.failNext({ method: "DELETE", code: "database_unavailable" });
    await press(visitor, "Erase everything");
    const dialog = screen.getByRole("alertdialog");
    await press(visitor, "Erase everything", dialog);
    expect(await within(dialog).findByRole("alert")).toHaveTextContent(
      "This does not work at the moment.",
    );
    expect(server.session().status).toBe("active");
    expect(localStorage.getItem("session_uuid")).toBe(server.session().uuid);
  });
});

describe("a recovery code from support", () => {
  const field = () => screen.getByRole("textbox", { name: "Recovery code from support" });

  test("restores the session, also after a wrong code", async () => {
    const server = createFakeServer();
    await server.browser().fetch("/api/v1/sessions/", { method: "POST" });
    const lost = server.session();
    lost.email = email;
    const code = server.issueRecoveryCode();
    const { visitor } = await openReady(<YourData />, { server });
    const mine = server.session();
    expect(mine.uuid).not.toBe(lost.uuid);

    await visitor.type(field(), "wrong");
    await press(visitor, "Bring my session back");
    expect(await screen.findByRole("alert")).toHaveTextContent("This code is unknown");
    expect(shownUuid()).toBe(mine.uuid);

    await visitor.clear(field());
    await visitor.type(field(), ` ${code.toLowerCase()} `);
    await press(visitor, "Bring my session back");
    await waitFor(() => expect(shownUuid()).toBe(lost.uuid));
    await waitFor(() => expect(address()).toHaveValue(email));
    expect(screen.queryByRole("alert")).toBeNull();
    expect(localStorage.getItem("session_uuid")).toBe(lost.uuid);
  });

  test("is not sent while the field is empty", async () => {
    const { server, visitor } = await openReady(<YourData />);
    await press(visitor, "Bring my session back");
    expect(field()).toBeInvalid();
    expect(requestCount(server, "POST", "sessions/recover/")).toBe(0);
  });
});
