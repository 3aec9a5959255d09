/** Visitors choose files, follow their progress, see their state, and act on them. */
import { createEvent, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test, vi } from "vitest";
import { FileUpload, SessionStatus } from "../../src/index.js";
import type { FakeServer } from "../../src/testing/index.js";
import { requestCount, file, open, openReady, press, shownUuid, state, visited } from "./page.js";

const input = () => screen.getByLabelText<HTMLInputElement>(/Choose files/);
const row = async (name: string) => {
  const item = (await screen.findByText(name)).closest("li");
  if (!item) throw new Error(`${name} is in no list.`);
  return item;
};
/** What a row says about the state of its file, and about its failure. */
const live = (item: HTMLElement) => item.querySelector<HTMLElement>(".maria-state");
const problem = (item: HTMLElement) => item.querySelector<HTMLElement>(".maria-error");
const is = (item: HTMLElement, status: string) =>
  waitFor(() => expect(item).toHaveAttribute("data-status", status));

describe("choosing", () => {
  test("shows the limits once the session is confirmed, and that there are no files yet", async () => {
    const { visitor } = open(<FileUpload />, { options: { autoStart: "manual" } });
    expect(screen.getByRole("region", { name: "Your files" })).toBeVisible();
    expect(screen.getByText("No files yet.")).toBeVisible();
    expect(input()).toHaveAccessibleName("Choose files or drop them here");
    expect(input()).not.toHaveAttribute("accept");
    await press(visitor, "Say hello");
    await state("ready");
    expect(input()).toHaveAccessibleName(/PDF, 5 MB each, 3 in all\.$/);
    expect(input()).toHaveAttribute("accept", ".pdf");
  });

  test("begins a session, sends the files, and says that they are stored", async () => {
    const { server, visitor } = open(<FileUpload />, { options: { autoStart: "manual" } });
    await visitor.upload(input(), [file("a.pdf"), file("b.pdf", 1_234_567)]);
    await is(await row("a.pdf"), "stored");
    const b = await row("b.pdf");
    await is(b, "stored");
    expect(live(b)).toHaveTextContent("Stored, 1.2 MB");
    expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["a.pdf", "b.pdf"]);
    expect(shownUuid()).toBe(server.session().uuid);
    expect(screen.queryByText("No files yet.")).toBeNull();
  });

  test("choosing no file changes nothing", async () => {
    await openReady(<FileUpload />);
    fireEvent.change(input(), { target: { files: null } });
    expect(await screen.findByText("No files yet.")).toBeVisible();
  });

  test("accepts files that are dropped anywhere, and shows where", async () => {
    await openReady(<FileUpload />);
    const zone = input().closest("label") as HTMLElement;
    const dataTransfer = { types: ["Files"], files: [file("dropped.pdf")] };
    const over = createEvent.dragOver(document.body, { dataTransfer });
    fireEvent(document.body, over);
    expect(over.defaultPrevented).toBe(true); // Otherwise the browser would open the file.
    expect(zone).toHaveAttribute("data-over", "true");
    expect(screen.getByText("Drop the files anywhere on this page")).toBeVisible();
    fireEvent.dragLeave(document.body);
    expect(zone).toHaveAttribute("data-over", "false");
    fireEvent.dragOver(zone, { dataTransfer });
    fireEvent.drop(zone, { dataTransfer });
    expect(zone).toHaveAttribute("data-over", "false");
    await is(await row("dropped.pdf"), "stored");
  });

  test("leaves dragged texts, and what the page handles itself, alone", async () => {
    const { server } = await openReady(<FileUpload />);
    const text = createEvent.dragOver(document.body, { dataTransfer: { types: ["text/plain"] } });
    fireEvent(document.body, text);
    expect(text.defaultPrevented).toBe(false);
    const own = document.body.appendChild(document.createElement("div"));
    own.addEventListener("drop", (event) => event.preventDefault());
    fireEvent.drop(own, { dataTransfer: { types: ["Files"], files: [file("theirs.pdf")] } });
    own.remove();
    await screen.findByText("No files yet.");
    expect(requestCount(server, "POST", "uploads/")).toBe(0);
  });

  test("shows the files of the session", async () => {
    const server = await visited();
    server.addFile("before.pdf", 40 * 1024);
    open(<FileUpload />, { server });
    const item = await row("before.pdf");
    expect(live(item)).toHaveTextContent("Stored, 40 kB");
  });

  test("shortens a long name in any script, and has all of it in the tooltip", async () => {
    const name = `${"報".repeat(200)}.pdf`;
    const { server, visitor } = await openReady(<FileUpload />);
    await visitor.upload(input(), file(name));
    const shown = await screen.findByTitle(name);
    expect(shown.tagName).toBe("BDI");
    expect(shown).toHaveTextContent(`${"報".repeat(55)}…${"報".repeat(20)}.pdf`);
    await is(shown.closest("li") as HTMLElement, "stored");
    expect(server.session().files[0]?.upload.name).toBe(name);
  });

  test("shows and reads a name in its own direction", async () => {
    const { visitor } = await openReady(<FileUpload />);
    await visitor.upload(input(), file("invoice\u202efdp\u2069.pdf"));
    const item = await row("invoicefdp.pdf");
    await is(item, "stored");
    expect(item.textContent).not.toMatch(/\p{Bidi_C}/u);
    expect(within(item).getByRole("button", { name: "Remove" })).toHaveAccessibleDescription(
      "invoicefdp.pdf",
    );
  });
});

describe("an empty list", () => {
  const isEmpty = () => screen.queryByText("No files yet.");

  test("says that the files are loading until they are known", async () => {
    const server = await visited();
    const hold = server.hold({ path: "uploads/" });
    open(<FileUpload />, { server });
    await waitFor(() => expect(hold.count).toBe(1));
    expect(screen.getByText("Loading your files…")).toBeVisible();
    expect(isEmpty()).toBeNull();
    hold.release();
    expect(await screen.findByText("No files yet.")).toBeVisible();
  });

  test.each([
    ["the list cannot be read", (server: FakeServer) => server.failNext({ path: "uploads/" })],
    ["the server cannot be reached", (server: FakeServer) => void (server.offline = true)],
    ["the session has ended", (server: FakeServer) => server.close("expired")],
    ["the server refuses", (server: FakeServer) => server.failNext({ code: "origin_not_allowed" })],
  ])("does not say that there are no files if %s", async (_, prepare) => {
    const server = await visited();
    server.addFile("there.pdf");
    prepare(server);
    open(<FileUpload />, { server });
    expect(await screen.findByText("Your files cannot be shown now.")).toBeVisible();
    expect(isEmpty()).toBeNull();
  });
});

describe("refused files", () => {
  test.each([
    ["notes.txt", 10, "Only PDF can be uploaded."],
    ["empty.pdf", 0, "This file is empty."],
    ["large.pdf", 5 * 1024 ** 2 + 1, "This file is too large: at most 5 MB."],
  ])("%s of %i bytes is refused with a reason, and nothing is sent", async (name, size, words) => {
    const { server, visitor } = await openReady(<FileUpload />);
    fireEvent.change(input(), { target: { files: [file(name, size)] } });
    const item = await row(name);
    await is(item, "failed");
    expect(problem(item)).toHaveTextContent(words);
    expect(screen.getByRole("alert")).toHaveTextContent("There is a problem with your files.");
    expect(within(item).queryByRole("button", { name: "Try again" })).toBeNull();
    expect(requestCount(server, "POST", "uploads/")).toBe(0);
    await press(visitor, "Remove", item);
    await waitFor(() => expect(item).not.toBeInTheDocument());
    expect(screen.getByText("No files yet.")).toBeVisible();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("a file over the quota can be sent after another was removed", async () => {
    const server = await visited({ limits: { max_files: 1 } });
    server.addFile("first.pdf");
    const { visitor } = open(<FileUpload />, { server });
    const first = await row("first.pdf");
    await visitor.upload(input(), file("second.pdf"));
    const second = await row("second.pdf");
    await is(second, "failed");
    expect(screen.getByText(/no space left. Remove a file/)).toBeVisible();
    await press(visitor, "Remove", first);
    await waitFor(() => expect(first).not.toBeInTheDocument());
    await press(visitor, "Try again", second);
    await is(second, "stored");
    expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["second.pdf"]);
  });

  test("a refusal by the server says what it has found", async () => {
    const { server, visitor } = await openReady(<FileUpload />);
    server.failNext({ method: "POST", code: "type_not_allowed", extra: { types: ["pdf", "png"] } });
    await visitor.upload(input(), file("disguised.pdf"));
    const item = await row("disguised.pdf");
    await is(item, "failed");
    expect(problem(item)).toHaveTextContent("Its name and content must both be of an allowed type");
    expect(server.session().files).toEqual([]);
  });
});

describe("files being sent", () => {
  async function openSending(size = 2 * 1024 ** 2) {
    const page = await openReady(<FileUpload />);
    page.server.stepwise = true;
    await page.visitor.upload(input(), file("slow.pdf", size));
    const item = await row("slow.pdf");
    await waitFor(() => expect(page.server.transfers).toHaveLength(1));
    const [transfer] = page.server.transfers;
    if (!transfer) throw new Error("Nothing is on its way.");
    return { ...page, item, transfer };
  }

  test("a progress bar is labelled with the file's name", async () => {
    const { item, transfer } = await openSending();
    transfer.progress(500 * 1024);
    const bar = within(item).getByRole("progressbar", { name: "slow.pdf" });
    await waitFor(() => expect(bar).toHaveAttribute("value", `${500 * 1024}`));
    expect(bar).toHaveAttribute("max", `${2 * 1024 ** 2}`);
    expect(item).toHaveTextContent("500 kB of 2 MB");
    transfer.finish();
    await is(item, "stored");
    expect(live(item)).toHaveTextContent("Stored, 2 MB");
    expect(within(item).queryByRole("progressbar")).toBeNull();
  });

  test("speed and time left are shown once they are known", async () => {
    const { item, transfer } = await openSending();
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 2000);
    transfer.progress(1024 ** 2);
    await waitFor(() => expect(item).toHaveTextContent(/1 MB of 2 MB, \d+ kB\/s, \d sec left/));
    transfer.finish();
    await is(item, "stored");
  });

  test("a file can be cancelled, and is not stored", async () => {
    const { server, visitor, item } = await openSending();
    await press(visitor, "Cancel", item);
    await waitFor(() => expect(item).not.toBeInTheDocument());
    expect(server.session().files).toEqual([]);
  });

  test("other files wait in the queue", async () => {
    const { server, visitor } = await openReady(<FileUpload />, { uploads: { concurrency: 1 } });
    server.stepwise = true;
    await visitor.upload(input(), [file("one.pdf"), file("two.pdf")]);
    const two = await row("two.pdf");
    await is(two, "queued");
    expect(live(two)).toHaveTextContent("Waiting for its turn");
    server.stepwise = false;
    await waitFor(() => expect(server.transfers).toHaveLength(1));
    server.transfers[0]?.finish();
    await is(two, "stored");
  });
});

describe("failures", () => {
  test("of a transient kind is retried later, and can be retried at once", async () => {
    const { server, visitor } = await openReady(<FileUpload />);
    server.failNext({ method: "POST", code: "rate_limited", headers: { "Retry-After": "3600" } });
    await visitor.upload(input(), file("patient.pdf"));
    const item = await row("patient.pdf");
    await is(item, "waiting");
    expect(problem(item)).toHaveTextContent("Too many requests");
    expect(live(item)).toHaveTextContent("Trying again soon…");
    await press(visitor, "Try again", item);
    await is(item, "stored");
    expect(problem(item)).toBeNull();
    expect(server.session().files).toHaveLength(1);
  });

  test("of the list is shown, and it can be loaded again", async () => {
    const server = await visited();
    server.addFile("there.pdf");
    server.failNext({ path: "uploads/", status: 502, body: "<h1>Bad gateway</h1>" });
    const { visitor } = open(<FileUpload />, { server });
    expect(await screen.findByRole("alert")).toHaveTextContent("cannot be reached properly");
    await press(visitor, "Try again");
    await row("there.pdf");
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("of a removal is shown at the file, which stays", async () => {
    const server = await visited();
    server.addFile("kept.pdf");
    const { visitor } = open(<FileUpload />, { server });
    const item = await row("kept.pdf");
    server.failNext({ method: "DELETE", code: "storage_unavailable" });
    await press(visitor, "Remove", item);
    await waitFor(() =>
      expect(problem(item)).toHaveTextContent("This does not work at the moment."),
    );
    expect(item).toHaveAttribute("data-status", "stored");
    expect(server.session().files).toHaveLength(1);
  });
});

describe("stored files", () => {
  async function openStored() {
    const server = await visited();
    const upload = server.addFile("report.pdf");
    return { upload, ...open(<FileUpload />, { server }), item: await row("report.pdf") };
  }

  test("have buttons that are described by the file's name", async () => {
    const { item } = await openStored();
    for (const button of within(item).getAllByRole("button")) {
      expect(button).toHaveAccessibleDescription("report.pdf");
    }
  });

  test("are removed", async () => {
    const { server, visitor, item } = await openStored();
    const hold = server.hold({ method: "DELETE" });
    await press(visitor, "Remove", item);
    await is(item, "removing");
    expect(live(item)).toHaveTextContent("Removing…");
    hold.release();
    await waitFor(() => expect(item).not.toBeInTheDocument());
    expect(server.session().files).toEqual([]);
  });

  test("are downloaded by a short link", async () => {
    const opened = vi.spyOn(window, "open").mockReturnValue(null);
    const { upload, visitor, item } = await openStored();
    await press(visitor, "Download", item);
    await waitFor(() =>
      expect(opened).toHaveBeenCalledWith(
        expect.stringContaining(`/uploads/${upload.id}/download/?link=`),
        "_self",
      ),
    );
  });

  test("show the error if the link is refused", async () => {
    const opened = vi.spyOn(window, "open").mockReturnValue(null);
    const { server, visitor, item } = await openStored();
    server.failNext({ method: "POST", code: "not_found" });
    await press(visitor, "Download", item);
    expect(await within(item).findByRole("alert")).toHaveTextContent("This file no longer exists.");
    expect(opened).not.toHaveBeenCalled();
  });

  test("whose download is blocked say so, and not in the words of the server", async () => {
    const opened = vi.spyOn(window, "open").mockReturnValue(null);
    const server = await visited();
    server.addFile("new.pdf");
    const { visitor } = open(<FileUpload />, { server });
    const item = await row("new.pdf");
    const detail = "This file is being looked into: try again in a minute.";
    server.failNext({ method: "POST", code: "file_held_back", extra: { detail } });
    await press(visitor, "Download", item);
    expect(await within(item).findByRole("alert")).toHaveTextContent(
      "This file is blocked for safety. Try again later, or ask support.",
    );
    expect(opened).not.toHaveBeenCalled();
  });

  test.each([
    ["the server has lost", "missing"],
    ["is in quarantine", "quarantined"],
  ] as const)("whose content %s say so, and cannot be downloaded", async (_, status) => {
    const server = await visited();
    const file = server.session().files;
    server.addFile("lost.pdf");
    file[0]!.upload = { ...file[0]!.upload, status };
    open(<FileUpload />, { server });
    const item = await row("lost.pdf");
    expect(live(item)).toHaveTextContent("This file cannot be opened now.");
    expect(within(item).queryByRole("button", { name: "Download" })).toBeNull();
    expect(within(item).getByRole("button", { name: "Remove" })).toBeVisible();
  });
});

test("the error of a button goes away when the server can be reached again", async () => {
  const server = await visited();
  server.addFile("a.pdf");
  const { visitor } = open(
    <>
      <SessionStatus />
      <FileUpload />
    </>,
    { server },
  );
  const item = await row("a.pdf");
  server.offline = true;
  await press(visitor, "Download", item);
  expect(await within(item).findByRole("alert")).toHaveTextContent(/cannot be reached/);
  window.dispatchEvent(new Event("offline"));
  const again = await screen.findByRole("button", { name: "Try again" });
  server.offline = false;
  await visitor.click(again);
  await waitFor(() => expect(within(item).queryByRole("alert")).toBeNull());
});

test("a new session shows no file of the previous one", async () => {
  const server = await visited();
  server.addFile("old.pdf");
  open(<FileUpload />, { server });
  await row("old.pdf");
  await server.fetch("/api/v1/sessions/current/", {
    method: "DELETE",
    headers: { "X-Session-UUID": server.session().uuid },
  });
  localStorage.removeItem("session_uuid");
  window.dispatchEvent(new StorageEvent("storage", { key: "session_uuid" }));
  await screen.findByText("No files yet.");
});
