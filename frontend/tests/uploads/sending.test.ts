/** Uploads: checked, sent two at a time, with progress, cancelled and retried. */
import { describe, expect, test, vi } from "vitest";
import { SessionError } from "../../src/api/http.js";
import type { Transport } from "../../src/api/uploadApi.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import {
  calm,
  controlTime,
  MINUTE,
  openPage,
  openSession,
  pass,
  pdf,
  SECOND,
  sent,
  type Page,
} from "../helpers.js";

controlTime();

async function openUploads(server: FakeServer, visit: Parameters<typeof openPage>[1] = {}) {
  const page = await openSession(server, visit);
  page.showFiles();
  await calm();
  return page;
}

/** Send a file that never arrives; `report` reports its progress. */
async function sendForEver(server: FakeServer) {
  let report: Parameters<Transport>[0]["onProgress"] = () => undefined;
  const transport: Transport = ({ onProgress }) => {
    report = onProgress;
    return new Promise(() => undefined);
  };
  const page = await openUploads(server, { uploads: { transport } });
  page.files.add([pdf()]);
  await calm();
  return { page, report };
}

const statuses = ({ items }: Page) => items.map(({ status }) => status);
const arrivals = (server: FakeServer) =>
  server.requests.filter(({ method, path }) => `${method} ${path}` === "POST uploads/");

describe("before anything is sent", () => {
  test.each([
    ["a type that is not allowed", pdf("offer.exe"), "type_not_allowed", { types: ["pdf"] }],
    ["no extension at all", pdf("offer"), "type_not_allowed", {}],
    ["no bytes", pdf("empty.pdf", 0), "file_empty", {}],
    ["too many bytes", pdf("big.pdf", 2001), "file_too_large", { max_file_bytes: 2000 }],
  ])("a file with %s is refused, and cannot be retried", async (_, file, code, problem) => {
    const server = createFakeServer({ limits: { max_file_bytes: 2000 } });
    const page = await openUploads(server);
    page.files.add([file]);
    await calm();
    expect(page.items).toMatchObject([
      { status: "failed", canRetry: false, error: { code, problem } },
    ]);
    expect(page.items[0]).toMatchObject({ name: file.name, size: file.size });
    expect(arrivals(server)).toEqual([]);
  });

  test.each([
    ["number", { max_files: 2 }],
    ["size", { max_total_bytes: 2500 }],
  ])(
    "a file beyond the %s that a session holds is refused, until another is removed",
    async (_, limits) => {
      const server = createFakeServer({ limits });
      const page = await openUploads(server, { uploads: { concurrency: 5 } });
      page.files.add([pdf("a.pdf"), pdf("b.pdf"), pdf("c.pdf")]);
      await calm();
      expect(statuses(page)).toEqual(["stored", "stored", "failed"]);
      expect(page.items[2]).toMatchObject({ error: { code: "quota_exceeded" }, canRetry: true });
      expect(arrivals(server)).toHaveLength(2);
      await page.files.remove(page.items[0]!.key);
      page.files.retry(page.items[1]!.key);
      await calm();
      expect(statuses(page)).toEqual(["stored", "stored"]);
      expect(page.items.map(({ name }) => name)).toEqual(["b.pdf", "c.pdf"]);
    },
  );

  test("extensions ignore case, and a long Japanese name stays unchanged", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    const name = `${"見積".repeat(98)}.PDF`;
    expect(name).toHaveLength(200);
    page.files.add([pdf(name)]);
    await calm();
    expect(page.items).toMatchObject([{ status: "stored", name, file: { name } }]);
  });

  test("a file without a session waits until one is created, and is then sent", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    page.showFiles();
    page.files.add([pdf(), pdf("offer.exe")]);
    expect(statuses(page)).toEqual(["queued", "queued"]);
    await calm();
    expect(statuses(page)).toEqual(["stored", "failed"]);
    expect(server.sessions).toHaveLength(1);
    expect(server.session().files).toHaveLength(1);
  });

  test("files wait while no session can be created", async () => {
    const server = createFakeServer();
    const page = openPage(server);
    page.showFiles();
    server.failNext({ code: "database_unavailable" });
    page.files.add([pdf()]);
    await calm();
    expect(statuses(page)).toEqual(["queued"]);
    await pass(10 * SECOND);
    expect(statuses(page)).toEqual(["stored"]);
  });
});

describe("sending", () => {
  test("two files are sent at once, each with progress, speed and time left", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf("a.pdf"), pdf("b.pdf"), pdf("c.pdf")]);
    await calm();
    expect(statuses(page)).toEqual(["sending", "sending", "queued"]);
    expect(page.items[0]).toMatchObject({ sent: 0, speed: null, secondsLeft: null });
    const [a, b] = server.transfers;
    a?.progress(100);
    expect(page.items[0]).toMatchObject({ sent: 100, speed: null, secondsLeft: null });
    await pass(2 * SECOND);
    a?.progress(500);
    expect(page.items[0]).toMatchObject({ sent: 500, speed: 250, secondsLeft: 2 });
    expect(page.items[1]).toMatchObject({ sent: 0 });
    a?.finish();
    await calm();
    expect(statuses(page)).toEqual(["stored", "sending", "sending"]);
    expect(page.items[0]).toMatchObject({ name: "a.pdf", file: { name: "a.pdf" } });
    expect(page.items[0]).not.toHaveProperty("sent");
    b?.finish();
    server.transfers[2]?.finish();
    await calm();
    expect(statuses(page)).toEqual(["stored", "stored", "stored"]);
    expect(
      new Set(arrivals(server).map(({ headers }) => headers.get("Idempotency-Key"))).size,
    ).toBe(3);
  });

  test("time left is unknown while no byte is sent", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf()]);
    await pass(SECOND);
    server.transfers[0]?.progress(0);
    expect(page.items[0]).toMatchObject({ sent: 0, secondsLeft: null });
  });

  test("progress ignores the form's overhead and an unknown total", async () => {
    const server = createFakeServer();
    const { page, report } = await sendForEver(server);
    report(700, 1400);
    expect(page.items[0]).toMatchObject({ sent: 500 });
    report(700, 0);
    expect(page.items[0]).toMatchObject({ sent: 0 });
  });

  test("a file is sent with the session's UUID and the cookie", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    page.files.add([pdf()]);
    const [item] = page.items;
    await calm();
    const [request] = arrivals(server);
    expect(request?.headers.get("X-Session-UUID")).toBe(page.now.uuid);
    expect(request?.headers.get("Idempotency-Key")).toBe(item?.key);
    expect(request?.headers.get("Authorization")).toBeNull();
  });

  test("a bearer token is sent instead of the cookie", async () => {
    const server = createFakeServer();
    const page = await openUploads(server, { browser: server.browser({ cookies: false }) });
    page.files.add([pdf()]);
    await calm();
    expect(statuses(page)).toEqual(["stored"]);
    expect(arrivals(server)[0]?.headers.get("Authorization")).toMatch(/^Bearer /);
  });

  test("each file has its own valid Idempotency-Key", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    page.files.add([pdf("a.pdf"), pdf("a.pdf")]);
    const keys = page.items.map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^[\x21-\x7e]{1,128}$/);
  });

  test("uploads continue without subscribers", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openSession(server);
    const leave = page.files.subscribe(() => undefined);
    page.files.add([pdf()]);
    await calm();
    leave();
    leave();
    server.transfers[0]?.finish();
    await calm();
    expect(statuses(page)).toEqual(["stored"]);
  });
});

describe("cancelling", () => {
  test("removes a file from the queue, and aborts one that is being sent", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server, { uploads: { concurrency: 1 } });
    page.files.add([pdf("a.pdf"), pdf("b.pdf"), pdf("c.pdf")]);
    await calm();
    const [a, b] = page.items;
    page.files.cancel(b!.key);
    expect(page.items.map(({ name }) => name)).toEqual(["a.pdf", "c.pdf"]);
    server.transfers[0]?.progress(500);
    page.files.cancel(a!.key);
    server.transfers[0]?.progress(600);
    server.transfers[0]?.finish();
    await calm();
    expect(page.items).toMatchObject([{ name: "c.pdf", status: "sending" }]);
    server.transfers[1]?.finish();
    await calm();
    expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["c.pdf"]);
  });

  /** A page whose uploads are stored at once, but answered only when the test says so. */
  async function openAnswered(server: FakeServer, fail = 0) {
    const answers: (() => void)[] = [];
    const page = await openUploads(server, {
      uploads: {
        transport: async (request) => {
          const answer = await server.transport(request);
          await new Promise<void>((go) => answers.push(go));
          if (fail-- > 0) throw new SessionError("network");
          return answer;
        },
      },
    });
    return { page, answer: () => answers.splice(0).forEach((go) => go()) };
  }

  test.each([0, 1])(
    "just after the last byte deletes what was stored; %i answers lost",
    async (lost) => {
      const server = createFakeServer({ limits: { max_files: 9 } });
      const { page, answer } = await openAnswered(server, lost);
      page.files.add([pdf("a.pdf"), pdf("b.pdf")]);
      await calm();
      expect(server.session().files).toHaveLength(2);
      for (const { key } of page.items) page.files.cancel(key);
      expect(page.items).toEqual([]);
      page.files.add([pdf("c.pdf")]); // Cancelled files take no place in the queue.
      await calm();
      for (let turns = 0; turns <= lost; turns++) {
        answer();
        await pass(5 * SECOND);
      }
      expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["c.pdf"]);
      expect(page.items).toMatchObject([{ name: "c.pdf", status: "stored" }]);
    },
  );

  test("shows a cancelled file that could not be deleted", async () => {
    const server = createFakeServer();
    const { page, answer } = await openAnswered(server);
    page.files.add([pdf()]);
    await calm();
    const { key } = page.items[0]!;
    page.files.cancel(key);
    page.files.retry(key); // It is no longer shown.
    server.failNext({ method: "DELETE", code: "not_found" });
    answer();
    await calm();
    expect(page.items).toMatchObject([{ status: "stored", name: "offer.pdf" }]);
  });

  test("a cancelled file is not asked for after its session has ended", async () => {
    const server = createFakeServer();
    const { page, answer } = await openAnswered(server, 9);
    page.files.add([pdf()]);
    await calm();
    page.files.cancel(page.items[0]!.key);
    await page.session.endSession();
    const since = server.requests.length;
    answer();
    await pass(MINUTE);
    expect(server.requests).toHaveLength(since);
  });

  test("shows a large file that was stored all the same", async () => {
    const server = createFakeServer();
    const page = await openUploads(server, {
      uploads: {
        transport: async (request) => {
          await server.transport({ ...request, onProgress: () => undefined });
          return new Promise((_, reject) =>
            request.signal.addEventListener("abort", () => reject(new Error("aborted"))),
          );
        },
      },
    });
    page.files.add([pdf("offer.pdf", 400_000)]);
    await calm();
    page.files.cancel(page.items[0]!.key);
    expect(page.items).toEqual([]);
    await calm();
    expect(page.items).toMatchObject([{ status: "stored", name: "offer.pdf" }]);
  });

  test("removes a refused file and a waiting file", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.failNext({ path: "uploads/" });
    page.files.add([pdf(), pdf("offer.exe")]);
    await calm();
    expect(statuses(page)).toEqual(["waiting", "failed"]);
    for (const { key } of page.items) page.files.cancel(key);
    await pass(MINUTE);
    expect(page.items).toEqual([]);
    expect(arrivals(server)).toHaveLength(1);
  });
});

describe("a file that fails", () => {
  test.each([
    ["no network", {}],
    ["503", { code: "storage_unavailable", headers: { "Retry-After": "2" } }],
    ["429", { code: "rate_limited", headers: { "Retry-After": "2" } }],
    ["500", { code: "internal_error" }],
    ["a proxy's page", { status: 502, body: "<html>" }],
    ["cut JSON", { status: 201, body: '{"id": "' }],
    [
      "a first try that is still running",
      { code: "upload_in_progress", headers: { "Retry-After": "1" } },
    ],
    ["an answer that is lost", { arrives: true }],
  ] as const)(
    "by %s is sent again by itself, under the same key, and is stored once",
    async (_, failure) => {
      const server = createFakeServer();
      const page = await openUploads(server);
      server.failNext({ method: "POST", path: "uploads/", ...failure });
      page.files.add([pdf()]);
      await calm();
      expect(statuses(page)).toEqual(["waiting"]);
      expect(page.items[0]).toHaveProperty("error");
      const { key } = page.items[0]!;
      await pass(3 * SECOND + 1);
      expect(statuses(page)).toEqual(["stored"]);
      const keys = arrivals(server).map(({ headers }) => headers.get("Idempotency-Key"));
      expect(keys).toEqual([key, key]);
      expect(server.session().files).toHaveLength(1);
    },
  );

  test("is sent again even if its transport reports progress after it has failed", async () => {
    const server = createFakeServer();
    let report: Parameters<Transport>[0]["onProgress"] | undefined;
    const transport: Transport = (request) => {
      if (report) return server.transport(request);
      report = request.onProgress;
      return Promise.reject(new SessionError("network"));
    };
    const page = await openUploads(server, { uploads: { transport } });
    page.files.add([pdf()]);
    await calm();
    report?.(500, 1000);
    expect(statuses(page)).toEqual(["waiting"]);
    await pass(MINUTE);
    expect(statuses(page)).toEqual(["stored"]);
  });

  test("is retried three times, and can then be retried by hand", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const server = createFakeServer();
    const page = await openUploads(server);
    for (let index = 0; index < 4; index++) server.failNext({ method: "POST", path: "uploads/" });
    page.files.add([pdf()]);
    await pass(MINUTE);
    expect(arrivals(server)).toHaveLength(4);
    expect(page.items).toMatchObject([
      { status: "failed", canRetry: true, error: { code: "network" } },
    ]);
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(statuses(page)).toEqual(["stored"]);
    expect(server.session().files).toHaveLength(1);
  });

  test("can be retried at once", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.failNext({ path: "uploads/" });
    page.files.add([pdf()]);
    await calm();
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(statuses(page)).toEqual(["stored"]);
    await pass(MINUTE);
    expect(arrivals(server)).toHaveLength(2);
  });

  test.each([
    [
      "the server's 413",
      { code: "file_too_large", extra: { max_file_bytes: 10 } },
      "file_too_large",
    ],
    ["a proxy's plain 413", { status: 413, body: "Too Large" }, "file_too_large"],
    ["415", { code: "type_not_allowed", extra: { types: ["pdf"] } }, "type_not_allowed"],
    ["422", { code: "idempotency_key_reused" }, "idempotency_key_reused"],
  ] as const)("by %s has failed, and cannot be retried", async (_, failure, code) => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.failNext({ path: "uploads/", ...failure });
    page.files.add([pdf()]);
    await pass(MINUTE);
    expect(page.items).toMatchObject([{ status: "failed", canRetry: false, error: { code } }]);
    expect(arrivals(server)).toHaveLength(1);
    expect(page.now.status).toBe("ready");
  });

  test("by quota_exceeded can be retried by hand", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    server.failNext({ path: "uploads/", code: "quota_exceeded" });
    page.files.add([pdf()]);
    await pass(MINUTE);
    expect(page.items).toMatchObject([{ status: "failed", canRetry: true }]);
  });

  test("because it was changed or deleted on disk cannot be retried", async () => {
    const server = createFakeServer();
    const page = await openUploads(server);
    const file = pdf();
    file.slice = () =>
      Object.assign(new Blob(), {
        arrayBuffer: () => Promise.reject(new DOMException("changed", "NotReadableError")),
      });
    page.files.add([file]);
    await pass(MINUTE);
    expect(page.items).toMatchObject([
      { status: "failed", canRetry: false, error: { code: "file_changed" } },
    ]);
    expect(arrivals(server)).toEqual([]);
  });

  test("because it was written to while it was sent is deleted on the server", async () => {
    const server = createFakeServer();
    const file = pdf();
    const transport: Transport = async (request) => {
      const answer = await server.own.transport(request);
      file.slice = () =>
        Object.assign(new Blob(), {
          arrayBuffer: () => Promise.reject(new DOMException("changed", "NotReadableError")),
        });
      return answer;
    };
    const page = await openUploads(server, { uploads: { transport } });
    page.files.add([file]);
    await calm();
    expect(page.items).toMatchObject([
      { status: "failed", canRetry: false, error: { code: "file_changed" } },
    ]);
    expect(server.session().files).toEqual([]);
    expect(sent(server).filter((line) => line.startsWith("DELETE uploads/"))).toHaveLength(1);
  });

  test("lets the next one in the queue start", async () => {
    const server = createFakeServer();
    const page = await openUploads(server, { uploads: { concurrency: 1 } });
    server.failNext({ path: "uploads/", code: "type_not_allowed" });
    page.files.add([pdf("a.pdf"), pdf("b.pdf")]);
    await calm();
    expect(statuses(page)).toEqual(["failed", "stored"]);
  });

  test("that is unknown, or is being sent, cannot be retried", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf()]);
    await calm();
    page.files.retry("nothing");
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(server.transfers).toHaveLength(1);
  });
});

describe("a session that changes while a file is sent", () => {
  test("because the server replaced it makes it fail, and it can be sent to the new one", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf("one.pdf"), pdf("two.pdf"), pdf("three.pdf")]);
    await calm();
    server.close("expired"); // It is empty, so a new one replaces it without a question.
    server.transfers[0]?.finish();
    await calm();
    expect(page.changes.at(-1)?.[2]).toBe("started");
    expect(statuses(page)).toEqual(["failed", "failed", "failed"]);
    for (const item of page.items) {
      expect(item).toMatchObject({ canRetry: true, error: { code: "session_changed" } });
    }
    server.stepwise = false;
    page.files.retry(page.items[2]!.key);
    await calm();
    expect(server.session().files.map(({ upload }) => upload.name)).toEqual(["three.pdf"]);
  });

  test("makes a file fail, whatever progress its transport reports later", async () => {
    const server = createFakeServer();
    const { page, report } = await sendForEver(server);
    server.close("expired");
    await page.session.retry();
    report(500, 1000);
    expect(page.items).toMatchObject([{ status: "failed", error: { code: "session_changed" } }]);
  });

  test("is noticed even if the file was stored in the previous one", async () => {
    const server = createFakeServer();
    let finish = (): void => undefined;
    const page = await openUploads(server, {
      uploads: {
        transport: async (request) => {
          const answer = await server.transport(request);
          await new Promise<void>((resolve) => (finish = resolve));
          return answer;
        },
      },
    });
    page.files.add([pdf()]);
    await calm();
    await page.session.resetSession();
    finish();
    await calm();
    expect(page.items).toEqual([]);
  });

  test("is checked, and found to have ended, when the server refuses the proof", async () => {
    const server = createFakeServer();
    server.stepwise = true;
    const page = await openUploads(server);
    page.files.add([pdf()]);
    await calm();
    server.addFile("other.pdf");
    server.close("revoked");
    server.transfers[0]?.finish();
    await calm();
    expect(page.now).toMatchObject({ status: "reset_required", reason: "revoked" });
    expect(page.items.at(-1)).toMatchObject({ status: "failed", canRetry: true });
    expect(page.items.at(-1)).toMatchObject({ error: { code: "session_invalid" } });
  });
});

describe("direct uploads", () => {
  const storageRequests = (server: FakeServer) =>
    sent(server).filter((line) => /^(POST|DELETE) (uploads|storage)/.test(line));

  async function openDirect() {
    const server = createFakeServer({ limits: { direct_upload: true } });
    return { server, page: await openUploads(server) };
  }

  test("are posted to the storage without a proof of the session", async () => {
    const { server, page } = await openDirect();
    page.files.add([pdf()]);
    await calm();
    const id = server.session().files[0]!.upload.id;
    expect(statuses(page)).toEqual(["stored"]);
    expect(storageRequests(server)).toEqual([
      "POST uploads/direct/",
      "POST storage",
      `POST uploads/${id}/complete/`,
    ]);
    const [announced, post] = server.requests.filter(({ path }) => /direct|storage/.test(path));
    expect(announced!.body).toEqual({ name: "offer.pdf", size: 1000 });
    expect([...post!.headers.keys()]).toEqual([]);
    expect([...(post!.body as FormData).keys()]).toEqual(["key", "file"]);
  });

  test.each([
    ["the storage refuses", { path: "storage", status: 503 }],
    ["the response of the storage is lost", { path: "storage", arrives: true }],
    ["the response with its URL is lost", { path: "uploads/direct/", arrives: true }],
  ])("are stored once if %s and the file is sent again", async (_, failure) => {
    const { server, page } = await openDirect();
    server.failNext(failure);
    page.files.add([pdf()]);
    await calm();
    expect(statuses(page)).toEqual(["waiting"]);
    await pass(MINUTE);
    expect(statuses(page)).toEqual(["stored"]);
    expect(server.session().files).toHaveLength(1);
    const keys = server.requests
      .filter(({ path }) => path === "uploads/direct/")
      .map(({ headers }) => headers.get("Idempotency-Key"));
    expect(new Set(keys).size).toBe(1);
  });

  test("are given up when they are cancelled, and free their quota when their form expires", async () => {
    const { server, page } = await openDirect();
    server.stepwise = true;
    for (let round = 0; round < 3; round++) {
      page.files.add([pdf()]);
      await calm();
      expect(page.items).toMatchObject([{ status: "sending" }]);
      page.files.cancel(page.items[0]!.key);
      await calm();
    }
    expect(page.items).toEqual([]);
    expect(storageRequests(server).filter((line) => line.startsWith("DELETE"))).toHaveLength(3);
    page.files.add([pdf()]);
    await calm();
    expect(page.items).toMatchObject([{ status: "failed", error: { code: "quota_exceeded" } }]);
    await pass(10 * MINUTE);
    page.files.retry(page.items[0]!.key);
    await calm();
    expect(page.items).toMatchObject([{ status: "sending" }]);
  });

  test("ignore a failure to cancel", async () => {
    const { server, page } = await openDirect();
    server.stepwise = true;
    page.files.add([pdf()]);
    await calm();
    server.failNext({ method: "DELETE" });
    page.files.cancel(page.items[0]!.key);
    await calm();
    expect(page.items).toEqual([]);
    expect(page.now.status).toBe("ready");
  });
});
