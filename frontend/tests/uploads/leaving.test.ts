/** A page with files on their way asks before it is left. */
import { describe, expect, test } from "vitest";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import { calm, controlTime, openSession, pdf, type Page } from "../helpers.js";

controlTime();

/** Whether the browser would ask the visitor now. */
function asks(): boolean {
  const event = new Event("beforeunload", { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
}

async function openUploads(server: FakeServer): Promise<Page> {
  const page = await openSession(server);
  page.showFiles();
  await calm();
  return page;
}

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
