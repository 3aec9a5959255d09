/** A page with files on their way asks before it is left, and the tab's next page names them. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  notifyTabs,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  type Page,
} from "../helpers.js";

controlTime();

// Those of this test. Stores of other tests share the window, and may have files on their way.
const listeners = new Set<unknown>();

beforeEach(() => {
  listeners.clear();
  const { addEventListener, removeEventListener } = window;
  vi.spyOn(window, "addEventListener").mockImplementation(
    (...call: Parameters<typeof addEventListener>) =>
      call[0] === "beforeunload"
        ? void listeners.add(call[1])
        : addEventListener.apply(window, call),
  );
  vi.spyOn(window, "removeEventListener").mockImplementation(
    (...call: Parameters<typeof removeEventListener>) =>
      call[0] === "beforeunload"
        ? void listeners.delete(call[1])
        : removeEventListener.apply(window, call),
  );
});

/** Whether the browser would ask the visitor now. */
function asks(): boolean {
  const event = new Event("beforeunload", { cancelable: true });
  for (const listener of listeners) (listener as EventListener)(event);
  return event.defaultPrevented;
}

async function openUploads(server: FakeServer): Promise<Page> {
  const page = await openSession(server);
  page.showFiles();
  await calm();
  return page;
}

/** The tab's next page. */
async function reload(server: FakeServer, { storage, close }: Page): Promise<Page> {
  close();
  const page = openPage(server, { storage });
  page.showFiles();
  await calm();
  return page;
}

const keptText = () => sessionStorage.getItem("session_unsent") ?? "";

describe("the browser asks before the page is left", () => {
  test("while a file is sent, and not before or after", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    expect(asks()).toBe(false);
    page.files.add([pdf(), pdf("refused.exe")]);
    await calm();
    expect(asks()).toBe(true);
    server.transfers[0]?.finish();
    await calm();
    expect(page.items).toMatchObject([{ status: "stored" }, { status: "failed" }]);
    expect(asks()).toBe(false);
  });

  test("while a file waits for the server, until it is cancelled", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.offline = true;
    page.files.add([pdf()]);
    await calm();
    expect(page.items).toMatchObject([{ status: "waiting" }]);
    expect(asks()).toBe(true);
    page.files.cancel(page.items[0]!.key);
    expect(asks()).toBe(false);
  });

  test("until the session is left, and its files with it", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf()]);
    await calm();
    expect(asks()).toBe(true);
    await page.session.resetSession("not_me");
    expect(page.items).toEqual([]);
    expect(asks()).toBe(false);
  });
});

describe("after a reload", () => {
  /** A page with one file on its way, one that waits for its turn, and one that is refused. */
  async function interrupted() {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf("sent.pdf"), pdf("stored.pdf"), pdf("queued.pdf"), pdf("no.exe")]);
    await calm();
    return { server, page };
  }
  const LOST = { status: "failed", canRetry: false, error: { code: "interrupted" } };

  test("files that were on their way are named until they are chosen again or removed", async () => {
    const { server, page } = await interrupted();
    let next = await reload(server, page);
    expect(next.items).toMatchObject([
      { name: "sent.pdf", size: 1000, ...LOST },
      { name: "stored.pdf", ...LOST },
      { name: "queued.pdf", ...LOST },
    ]);

    next = await reload(server, next);
    expect(next.items).toHaveLength(3);
    next.files.cancel(next.items[2]!.key);
    server.stepwise = false;
    next.files.add([pdf("sent.pdf")]);
    await calm();
    expect(next.items).toMatchObject([{ name: "stored.pdf", ...LOST }, { status: "stored" }]);

    server.addFile("stored.pdf");
    await next.files.load();
    expect(next.items.map(({ status }) => status)).toEqual(["stored", "stored"]);
    expect(keptText()).toBe("");
  });

  test("nothing of them remains after an end in a page that shows no files any more", async () => {
    const { server, page } = await interrupted();
    const { close, storage } = page;
    close();
    const next = openPage(server, { storage });
    const hide = next.files.subscribe(() => undefined);
    await calm();
    expect(next.items).toHaveLength(3);
    hide();
    await next.session.endSession();
    await calm();
    expect(keptText()).toBe("");
  });

  test.each([
    ["a reset", (page: Page) => page.session.resetSession()],
    ['"Not you?"', (page: Page) => page.session.resetSession("not_me")],
    ["an end", (page: Page) => page.session.endSession()],
  ])("nothing of them remains after %s", async (_, leave) => {
    const { server, page } = await interrupted();
    expect(keptText()).toContain("sent.pdf");
    const next = await reload(server, page);
    await leave(next);
    await calm();
    expect(next.items).toEqual([]);
    expect(keptText()).toBe("");
  });

  test("nothing of them remains when another tab has left the session", async () => {
    const { server, page } = await interrupted();
    const other = openPage(server, { storage: page.storage });
    await other.session.resetSession("not_me");
    notifyTabs();
    await pass(SECOND);
    expect(page.items).toEqual([]);
    expect(keptText()).toBe("");
  });

  test("files of a session that was left meanwhile are forgotten", async () => {
    const { server, page } = await interrupted();
    const kept = sessionStorage.getItem("session_unsent")!;
    await page.session.resetSession();
    sessionStorage.setItem("session_unsent", kept);
    const next = await reload(server, page);
    expect(next.items).toEqual([]);
    expect(keptText()).toBe("");
  });

  test.each(["", "{", "null", '{"uuid":"1","files":"all"}'])("%j is nothing", async (text) => {
    const server = createFakeServer();
    const page = await openUploads(server);
    sessionStorage.setItem("session_unsent", text);
    expect((await reload(server, page)).items).toEqual([]);
  });
});
