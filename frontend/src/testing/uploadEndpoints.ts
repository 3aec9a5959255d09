import type { Schemas } from "../api/http.js";
import { extensionOf } from "../utils/fileNames.js";
import { iso, type ApiRequest, type FakeSession, type FakeSessions } from "./fakeSessions.js";
import { randomHex, randomUuid } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";

/** The URL of the fake storage. Requests to it have the path `storage`. */
export const STORAGE = "https://storage.example/bucket";
export const STORAGE_PATH = "storage";

const MINUTE = 60_000;

/** A direct upload that has not finished. It counts against the quota. */
interface PendingUpload {
  id: string;
  session: FakeSession;
  name: string;
  size: number;
  key: string | null;
  hasArrived: boolean;
}

/** The endpoints under `uploads/`, and the storage for direct uploads. */
export function createUploadEndpoints(state: FakeSessions) {
  const { now, limits, record, usedBytes, prove, page } = state;
  const deleted = new Set<string>();
  let pending: PendingUpload[] = [];

  function store(request: ApiRequest): Reply {
    const session = prove(request);
    const file = request.body instanceof FormData ? request.body.get("file") : null;
    if (!(file instanceof File)) throw new Refusal("file_missing");
    const { name, size } = file;
    const key = request.headers.get("Idempotency-Key");
    const earlier = session.files.find((known) => key && known.key === key)?.upload;
    if (earlier?.name === name && earlier.size === size) return { status: 201, body: earlier };
    if (earlier) throw new Refusal("idempotency_key_reused");
    validate(session, name, size);
    return { status: 201, body: keep(session, name, size, key) };
  }

  function validate(session: FakeSession, name: string, size: number): void {
    const { max_files, max_file_bytes, max_total_bytes, types } = limits;
    if (!size) throw new Refusal("file_empty");
    if (size > max_file_bytes) throw new Refusal("file_too_large", { max_file_bytes });
    if (!types.includes(extensionOf(name))) throw new Refusal("type_not_allowed", { types });
    const waiting = pending.filter((one) => one.session === session);
    const bytes = waiting.reduce((sum, one) => sum + one.size, usedBytes(session) + size);
    const isFull = session.files.length + waiting.length >= max_files || bytes > max_total_bytes;
    if (isFull) throw new Refusal("quota_exceeded");
  }

  function keep(
    session: FakeSession,
    name: string,
    size: number,
    key: string | null,
    id = randomUuid(),
  ) {
    const upload: Schemas["Upload"] = {
      id,
      name,
      size,
      content_type: "application/pdf",
      sha256: randomHex(64),
      status: "stored",
      created_at: iso(now()),
    };
    session.files.push({ upload, key });
    record(session, "upload.stored", `You uploaded ${name}.`, name);
    return upload;
  }

  /** Return the storage's URL for a direct upload. */
  function announce(request: ApiRequest): Reply {
    const session = prove(request);
    if (!limits.direct_upload) throw new Refusal("direct_upload_unavailable");
    const { name, size } = request.body as Schemas["AnnouncedFileRequest"];
    const key = request.headers.get("Idempotency-Key");
    let file = pending.find((one) => key && one.key === key && one.session === session);
    if (!file) {
      validate(session, name, size);
      file = { id: randomUuid(), session, name, size, key, hasArrived: false };
      pending.push(file);
    }
    const { id } = file;
    const upload = { url: STORAGE, fields: { key: id }, expires_at: iso(now() + 10 * MINUTE) };
    const body: Schemas["DirectUpload"] = { id, upload };
    return { status: 201, body };
  }

  /** The storage accepts a form only with the file that was announced. */
  function receive({ body }: ApiRequest): Reply {
    const form = body instanceof FormData ? body : new FormData();
    const file = form.get("file");
    const expected = pending.find(({ id }) => id === form.get("key"));
    if (!expected || !(file instanceof File) || file.size !== expected.size) return { status: 403 };
    expected.hasArrived = true;
    return { status: 204 };
  }

  function complete(request: ApiRequest): Reply {
    const session = prove(request);
    const file = pending.find(({ id }) => id === idOf(request));
    if (file?.session !== session) return { status: 200, body: named(request) };
    if (!file.hasArrived) throw new Refusal("upload_incomplete");
    pending = pending.filter((one) => one !== file);
    return { status: 200, body: keep(session, file.name, file.size, file.key, file.id) };
  }

  function listFiles(request: ApiRequest): Reply {
    const uploads = prove(request).files.map(({ upload }) => upload);
    const body: Schemas["PaginatedUploadList"] = page(request, uploads.reverse());
    return { status: 200, body };
  }

  const idOf = ({ path }: ApiRequest) => path.split("/")[1];

  function named(request: ApiRequest): Schemas["Upload"] {
    const file = prove(request).files.find(({ upload }) => upload.id === idOf(request));
    if (!file) throw new Refusal("not_found");
    return file.upload;
  }

  function remove(request: ApiRequest): Reply {
    const session = prove(request);
    if (deleted.has(request.path)) return { status: 204 };
    const direct = pending.find(({ id }) => id === idOf(request));
    if (direct?.session === session) {
      pending = pending.filter((one) => one !== direct);
      deleted.add(request.path);
      return { status: 204 };
    }
    const upload = named(request);
    deleted.add(request.path);
    session.files = session.files.filter((file) => file.upload !== upload);
    record(session, "upload.deleted", `You deleted ${upload.name}.`, upload.name);
    return { status: 204 };
  }

  function link(request: ApiRequest): Reply {
    const url = `/api/v1/uploads/${named(request).id}/download/?link=${randomHex(16)}`;
    const body: Schemas["Link"] = { url, expires_at: iso(now() + MINUTE) };
    return { status: 200, body };
  }

  return {
    keep,
    store,
    announce,
    receive,
    complete,
    list: listFiles,
    get: (request: ApiRequest): Reply => ({ status: 200, body: named(request) }),
    remove,
    link,
  };
}
