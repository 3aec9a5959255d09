import type { Schemas } from "../api/http.js";
import { cleanName } from "./fakeFiles.js";
import {
  iso,
  retryKey,
  type ApiRequest,
  type FakeSession,
  type FakeSessions,
} from "./fakeSessions.js";
import { readFields } from "./fields.js";
import { randomUuid } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";
import type { UploadParts } from "./uploadEndpoints.js";

/** The URL of the fake storage. Requests to it have the path `storage`. */
export const STORAGE = "https://storage.example/bucket";
export const STORAGE_PATH = "storage";

/** How long the storage accepts a form. */
const FORM_LIFETIME = 10 * 60_000;

interface DirectUpload {
  id: string;
  session: FakeSession;
  name: string;
  size: number;
  key: string | null;
  hasArrived: boolean;
  /** A cancelled one counts against the quota until its form expires. */
  status: "pending" | "stored" | "cancelled";
  formExpiresAt: number;
}

/** The endpoints for direct uploads, and the storage. */
export function createDirectUploads(state: FakeSessions, parts: UploadParts) {
  const { now, limits, record, prove } = state;
  const known: DirectUpload[] = [];

  /** Return the storage's URL for a direct upload. */
  function announce(request: ApiRequest): Reply {
    const session = prove(request);
    const fields = readFields(request);
    const given = fields.text("name", { most: 1000 }) ?? "";
    const size = fields.size("size");
    fields.text("content_type", { most: 255, isOptional: true, mayBeEmpty: true });
    fields.done();
    const key = retryKey(request);
    if (!limits.direct_upload) throw new Refusal("direct_upload_unavailable");
    const name = cleanName(given);
    parts.check(session, name, size);
    const file = earlier(session, key, name, size) ?? reserve(session, key, name, size);
    file.formExpiresAt = now() + FORM_LIFETIME;
    const { id } = file;
    const upload = { url: STORAGE, fields: { key: id }, expires_at: iso(file.formExpiresAt) };
    return { status: 201, body: { id, upload } satisfies Schemas["DirectUpload"] };
  }

  function earlier(session: FakeSession, key: string | null, name: string, size: number) {
    const found = known.find(
      (one) => key && one.key === key && one.session === session && one.status !== "cancelled",
    );
    // A key of an upload that was not direct, or of another file, cannot be used again.
    if (found?.name !== name || found.size !== size) {
      if (found ?? parts.earlier(session, key, name, size)) {
        throw new Refusal("idempotency_key_reused");
      }
      return undefined;
    }
    parts.earlier(session, key, name, size); // It may have been deleted.
    return found;
  }

  function reserve(
    session: FakeSession,
    key: string | null,
    name: string,
    size: number,
  ): DirectUpload {
    parts.reserveRoom(session, name, size, openForms(session));
    session.reserved = {
      files: session.reserved.files + 1,
      bytes: session.reserved.bytes + size,
    };
    record(session, "upload.started", name);
    const file: DirectUpload = {
      id: randomUuid(),
      session,
      name,
      size,
      key,
      hasArrived: false,
      status: "pending",
      formExpiresAt: 0,
    };
    known.push(file);
    return file;
  }

  function release(file: DirectUpload, status: "stored" | "cancelled"): void {
    const { files, bytes } = file.session.reserved;
    file.session.reserved = { files: files - 1, bytes: bytes - file.size };
    file.status = status;
  }

  /** The sizes of files that are not in the quota, but whose form the storage still accepts. */
  function openForms(session: FakeSession): number[] {
    const isDeleted = ({ id, status }: DirectUpload) =>
      status === "cancelled" || session.deletedFiles.some(({ upload }) => upload.id === id);
    return known
      .filter((one) => one.session === session && isDeleted(one) && one.formExpiresAt > now())
      .map(({ size }) => size);
  }

  /** The storage accepts a form only with the file that was announced. */
  function receive({ body }: ApiRequest): Reply {
    const form = body instanceof FormData ? body : new FormData();
    const file = form.get("file");
    const expected = known.find(({ id }) => id === form.get("key"));
    if (!expected || !(file instanceof File) || file.size !== expected.size) return { status: 403 };
    expected.hasArrived = true;
    return { status: 204 };
  }

  function complete(request: ApiRequest): Reply {
    const session = prove(request);
    const id = request.path.split("/")[1];
    const file = known.find((one) => one.id === id && one.session === session);
    const stored = session.files.find(({ upload }) => upload.id === id)?.upload;
    if (file?.status === "stored" && stored) return { status: 200, body: stored };
    if (file?.status !== "pending") throw new Refusal("not_found");
    if (!file.hasArrived) throw new Refusal("upload_incomplete");
    release(file, "stored");
    return { status: 200, body: parts.keep(session, file.name, file.size, file.key, file.id) };
  }

  /** Give up a direct upload. @returns whether it was one that is not stored */
  function cancel(session: FakeSession, id: string | undefined): boolean {
    const file = known.find((one) => one.id === id && one.session === session);
    if (!file || file.status === "stored") return false;
    if (file.status === "pending") {
      release(file, "cancelled");
      record(session, "upload.lapsed", file.name);
    }
    return true;
  }

  return { announce, receive, complete, cancel, openForms };
}
