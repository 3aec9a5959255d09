/** What a page can hear of with `on`, and stop with an `AbortSignal`. */
import { expect, test, vi } from "vitest";
import { createFakeServer } from "../../src/testing/index.js";
import { calm, controlTime, openSession, pdf } from "../helpers.js";

controlTime();

async function openUploads() {
  const server = createFakeServer({ limits: { max_files: 9 } });
  const page = await openSession(server);
  page.showFiles();
  await calm();
  const heard: string[] = [];
  const { on } = page.files;
  on("stored", ({ name }) => void heard.push(`stored ${name}`));
  on("failed", ({ code }, { name }) => void heard.push(`failed ${name}: ${code}`));
  on("removed", ({ name }) => void heard.push(`removed ${name}`));
  return { server, page, heard };
}

const names = (files: readonly { name: string }[]) => files.map(({ name }) => name);

test("each file is reported once: stored, refused or removed from here", async () => {
  const { server, page, heard } = await openUploads();
  server.addFile("other tab.pdf");
  await page.files.load();
  page.files.add([pdf("a.pdf"), pdf("b.exe")]);
  await calm();
  await page.files.load();
  expect(heard).toEqual(["failed b.exe: type_not_allowed", "stored a.pdf"]);
  for (const { key } of page.items.filter(({ name }) => name !== "b.exe")) {
    await page.files.remove(key);
  }
  await calm();
  expect(heard.slice(2).sort()).toEqual(["removed a.pdf", "removed other tab.pdf"]);
});

test("a handler that has ended is not called, and one that throws stops nothing", async () => {
  const { page, heard } = await openUploads();
  const ended = vi.fn();
  page.files.on("stored", ended)();
  const thrown = vi.fn();
  process.once("uncaughtException", thrown);
  const others = process.listeners("uncaughtException").filter((one) => one !== thrown);
  others.forEach((one) => process.off("uncaughtException", one));
  page.files.on("stored", () => {
    throw new Error("of the page");
  });
  page.files.on("stored", () => void heard.push("after it"));
  page.files.add([pdf("a.pdf")]);
  await calm();
  others.forEach((one) => process.on("uncaughtException", one));
  expect(ended).not.toHaveBeenCalled();
  expect(thrown).toHaveBeenCalledTimes(1);
  expect(heard).toEqual(["stored a.pdf", "after it"]);
});

test("a session says that it has changed, also to a handler that came later", async () => {
  const page = await openSession(createFakeServer());
  const before = page.now.uuid;
  const changed = vi.fn();
  const end = page.session.on("changed", changed);
  await page.session.resetSession();
  await calm();
  end();
  await page.session.resetSession();
  await calm();
  expect(changed.mock.calls).toEqual([[before, page.changes.at(-2)?.[1], "reset"]]);
  expect(page.changes.map(([, , reason]) => reason)).toEqual(["started", "reset", "reset"]);
});

test("an aborted signal cancels the files that are not stored, and no others", async () => {
  const { server, page, heard } = await openUploads();
  const abort = new AbortController();
  page.files.add([pdf("stored.pdf")], null, abort.signal);
  await calm();
  server.stepwise = true;
  page.files.add([pdf("sending.pdf"), pdf("refused.exe"), pdf("queued.pdf")], null, abort.signal);
  page.files.add([pdf("of another call.pdf")]);
  await calm();
  abort.abort();
  page.files.add([pdf("too late.pdf")], null, abort.signal);
  await calm();
  expect(names(page.items)).toEqual(["stored.pdf", "of another call.pdf"]);
  for (const { finish } of server.transfers) {
    finish();
    await calm();
  }
  expect(names(server.session().files.map(({ upload }) => upload))).toEqual([
    "stored.pdf",
    "of another call.pdf",
  ]);
  expect(heard).toEqual([
    "stored stored.pdf",
    "failed refused.exe: type_not_allowed",
    "stored of another call.pdf",
  ]);
});

test("a request with an aborted signal is not sent, and one on its way ends", async () => {
  const server = createFakeServer();
  const { session } = await openSession(server);
  const abort = new AbortController();
  const hold = server.hold({ path: "sessions/current/activity/" });
  const reading = session.activity("", abort.signal);
  await calm();
  abort.abort();
  await expect(reading).rejects.toMatchObject({ code: "aborted", status: 0 });
  const before = server.requests.length;
  await expect(session.exportData(abort.signal)).rejects.toMatchObject({ code: "aborted" });
  expect(server.requests).toHaveLength(before);
  hold.release();
  await calm();
  expect(session.getSnapshot().status).toBe("ready");
});
