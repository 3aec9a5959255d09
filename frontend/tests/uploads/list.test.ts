/** The list of stored files: loaded in pages, of this session only. */
import { describe, expect, test } from "vitest";
import { createFakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
  notifyTabs,
} from "../helpers.js";

controlTime();

const names = (page: ReturnType<typeof openPage>) => page.items.map(({ name }) => name);

test("after a reload the files are there, in the order in which they were stored", async () => {
  const server = createFakeServer({ pageSize: 2, limits: { max_files: 9 } });
  const { storage, close } = await openSession(server);
  for (const letter of "abcde") server.addFile(`${letter}.pdf`);
  close();
  const page = openPage(server, { storage });
  page.showFiles();
  await calm();
  expect(names(page)).toEqual(["a.pdf", "b.pdf", "c.pdf", "d.pdf", "e.pdf"]);
  expect(page.items.every(({ status }) => status === "stored")).toBe(true);
  expect(sent(server).filter((line) => line === "GET uploads/")).toHaveLength(3);
});

test("a request that fails late does not replace a newer list", async () => {
  const server = createFakeServer();
  let isHeld = false;
  let fail = (): void => undefined;
  const held = () =>
    new Promise<Response>((_, reject) => (fail = () => reject(new TypeError("lost"))));
  const fetch: typeof globalThis.fetch = (input, init) =>
    isHeld ? held() : server.fetch(input, init);
  const page = await openSession(server, { fetch });
  page.showFiles();
  await calm();
  isHeld = true;
  const older = page.files.load();
  await calm();
  isHeld = false;
  server.addFile("new.pdf");
  await page.files.load();
  fail();
  await older;
  expect(page.files.getSnapshot()).toMatchObject({ isLoaded: true, error: null });
  expect(names(page)).toEqual(["new.pdf"]);
});

test("a file whose content is missing says so", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const { id } = server.addFile("a.pdf");
  const [file] = server.session().files;
  file!.upload = { ...file!.upload, status: "missing" };
  page.showFiles();
  await calm();
  expect(page.items).toMatchObject([{ status: "missing", key: id, file: { id } }]);
});

test("without a session no request is sent", async () => {
  const server = createFakeServer();
  const page = openPage(server);
  page.showFiles();
  await page.files.load();
  expect(page.files.getSnapshot()).toEqual({ items: [], isLoaded: true, error: null });
  expect(server.requests).toEqual([]);
});

describe("a list that cannot be read", () => {
  test("shows the error, keeps the files, and can be loaded again", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.showFiles();
    page.files.add([pdf()]);
    await calm();
    server.failNext({ path: "uploads/" });
    await page.files.load();
    expect(page.files.getSnapshot().error).toMatchObject({ code: "network" });
    expect(names(page)).toEqual(["offer.pdf"]);
    await page.files.load();
    expect(page.files.getSnapshot().error).toBeNull();
    expect(names(page)).toEqual(["offer.pdf"]);
  });

  test("is loaded again when the session is confirmed", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    server.addFile("a.pdf");
    server.failNext({ path: "uploads/" });
    page.showFiles();
    await calm();
    expect(page.files.getSnapshot().error).toMatchObject({ code: "network" });
    await page.session.retry();
    await calm();
    expect(names(page)).toEqual(["a.pdf"]);
  });
});

describe("another session", () => {
  test("shows its own files, not those of the previous one", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.showFiles();
    page.files.add([pdf()]);
    await calm();
    expect(names(page)).toEqual(["offer.pdf"]);
    await page.session.resetSession();
    await calm();
    expect(page.items).toEqual([]);
    await page.session.endSession();
    expect(page.items).toEqual([]);
  });

  test("never shows files of the previous one, however late their list arrives", async () => {
    const server = createFakeServer();
    const here = await openSession(server);
    server.addFile("theirs.pdf");
    let arrive = (): void => undefined;
    const page = openPage(server, {
      storage: here.storage,
      fetch: async (input, init) => {
        const response = await server.fetch(input, init);
        if ((input as string).includes("uploads/")) await new Promise<void>((go) => (arrive = go));
        return response;
      },
    });
    await calm();
    page.showFiles();
    await calm();
    await here.session.resetSession("not_me");
    server.hold({ path: "sessions/current/" });
    notifyTabs();
    await calm();
    expect(page.now.uuid).toBe(here.now.uuid);
    arrive();
    await calm();
    expect(page.items).toEqual([]);
  });

  test("does not keep the error of the previous list", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    const hold = server.hold({ path: "uploads/" });
    page.showFiles();
    await calm();
    server.failNext({ path: "uploads/" });
    await page.session.resetSession();
    hold.release();
    await calm();
    expect(page.files.getSnapshot().error).toBeNull();
  });
});

test("a file that is stored while the list is loaded stays in it", async () => {
  const server = createFakeServer();
  let arrive = (): void => undefined;
  let isSlow = false;
  const page = await openSession(server, {
    fetch: async (input, init) => {
      const response = await server.fetch(input, init);
      if (isSlow && (input as string).includes("uploads/")) {
        await new Promise<void>((go) => (arrive = go));
      }
      return response;
    },
  });
  page.showFiles();
  await calm();
  isSlow = true;
  const loaded = page.files.load();
  await calm();
  isSlow = false;
  page.files.add([pdf()]);
  await calm();
  expect(names(page)).toEqual(["offer.pdf"]);
  arrive();
  await loaded;
  await calm();
  expect(names(page)).toEqual(["offer.pdf"]);
});

test("a file that is removed while the list is loaded stays removed", async () => {
  const server = createFakeServer();
  let arrive = (): void => undefined;
  let isSlow = false;
  const page = await openSession(server, {
    fetch: async (input, init) => {
      const response = await server.fetch(input, init);
      if (isSlow && (input as string).endsWith("uploads/")) {
        await new Promise<void>((go) => (arrive = go));
      }
      return response;
    },
  });
  page.showFiles();
  page.files.add([pdf()]);
  await calm();
  isSlow = true;
  const loaded = page.files.load();
  await calm();
  await page.files.remove(page.items[0]!.key);
  expect(server.session().files).toEqual([]);
  arrive();
  await loaded;
  expect(names(page)).toEqual([]);
});

test("sent files keep their key", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  page.showFiles();
  page.files.add([pdf()]);
  await calm();
  const [before] = page.items;
  server.addFile("other.pdf");
  await page.files.load();
  expect(page.items[0]?.key).toBe(before?.key);
  expect(names(page)).toEqual(["offer.pdf", "other.pdf"]);
});

describe("removing", () => {
  test("deletes the file on the server and in the list", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.showFiles();
    page.files.add([pdf()]);
    await calm();
    const removed = page.files.remove(page.items[0]!.key);
    expect(page.items).toMatchObject([{ status: "removing" }]);
    await removed;
    expect(page.items).toEqual([]);
    expect(server.session().files).toEqual([]);
  });

  test.each([
    ["no network", {}, "network"],
    ["503", { code: "storage_unavailable" }, "storage_unavailable"],
    ["401", { code: "session_invalid" }, "session_invalid"],
  ] as const)(
    "a file that fails by %s is shown at that file, which stays",
    async (_, failure, code) => {
      const server = createFakeServer();
      const page = await openSession(server);
      page.showFiles();
      page.files.add([pdf()]);
      await calm();
      server.failNext({ method: "DELETE", ...failure });
      await page.files.remove(page.items[0]!.key);
      expect(page.items).toMatchObject([{ status: "stored", error: { code } }]);
      expect(server.session().files).toHaveLength(1);
      await page.files.remove(page.items[0]!.key);
      expect(page.items).toEqual([]);
    },
  );

  test("an unknown or unsent file is ignored", async () => {
    const server = createFakeServer();
    const page = await openSession(server);
    page.showFiles();
    page.files.add([pdf("offer.exe")]);
    await calm();
    await page.files.remove(page.items[0]!.key);
    await page.files.remove("nothing");
    expect(page.items).toHaveLength(1);
    await pass(SECOND);
    expect(sent(server).filter((line) => line.startsWith("DELETE"))).toEqual([]);
  });
});

test("a link is issued for stored files only", async () => {
  const server = createFakeServer();
  const page = await openSession(server);
  const { id } = server.addFile("a.pdf");
  expect(await page.files.link(id)).toContain(`/uploads/${id}/download/`);
  await expect(page.files.link("nothing")).rejects.toMatchObject({ code: "not_found" });
});
