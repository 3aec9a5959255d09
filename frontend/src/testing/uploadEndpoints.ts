import type { Schemas } from "../api/http.js";
import { createDirectUploads } from "./directUploads.js";
import {
  retryKey,
  type ApiRequest,
  type FakeFile,
  type FakeSession,
  type FakeSessions,
} from "./fakeSessions.js";
import { iso } from "./fakeSessions.js";
import { checkName, cleanName, megabytes, typeOf } from "./fakeFiles.js";
import { INTERNAL, page } from "./pages.js";
import { randomHex, randomUuid } from "./random.js";
import { Refusal, type Reply } from "./refusals.js";

const MINUTE = 60_000;

/** What the endpoints for direct uploads share with the others. */
export interface UploadParts {
  check(session: FakeSession, name: string, size: number): void;
  earlier(
    session: FakeSession,
    key: string | null,
    name: string,
    size: number,
  ): Schemas["Upload"] | undefined;
  reserveRoom(session: FakeSession, name: string, size: number, openForms?: number[]): void;
  keep(
    session: FakeSession,
    name: string,
    size: number,
    key: string | null,
    id?: string,
  ): Schemas["Upload"];
}

/** The endpoints under `uploads/`, and the storage for direct uploads. */
export function createUploadEndpoints(state: FakeSessions) {
  const { now, limits, record, markUsed, usedBytes, prove } = state;
  const parts: UploadParts = { check, earlier, reserveRoom, keep };
  const direct = createDirectUploads(state, parts);

  function store(request: ApiRequest): Reply {
    const session = prove(request);
    const file = fileOf(request, session);
    const key = retryKey(request);
    const [name, size] = [cleanName(file.name), file.size];
    check(session, name, size);
    const stored = earlier(session, key, name, size);
    if (stored) return { status: 201, body: stored };
    reserveRoom(session, name, size, direct.openForms(session));
    return { status: 201, body: keep(session, name, size, key) };
  }

  /** The file of a form. @throws Refusal */
  function fileOf({ body }: ApiRequest, session: FakeSession): File {
    if (body !== undefined && !(body instanceof FormData)) {
      throw new Refusal("unsupported_media_type");
    }
    const files = [...(body ?? [])].filter(([, value]) => value instanceof File);
    if (files.length > 1) throw new Refusal("malformed_body");
    const [[field, file] = []] = files as [string, File][];
    if (file && file.size > limits.max_file_bytes) throw tooLarge(session, "");
    const isNamed = file && !["", ".", ".."].includes(cleanName(file.name));
    if (field !== "file" || !isNamed) throw new Refusal("file_missing");
    return file;
  }

  function tooLarge(session: FakeSession, name: string): Refusal {
    const { max_file_bytes } = limits;
    const detail = `This file is too large. The limit is ${megabytes(max_file_bytes)}.`;
    return new Refusal("file_too_large", { max_file_bytes, detail }, session, name);
  }

  /** Check size and name. The content is not read. @throws Refusal */
  function check(session: FakeSession, name: string, size: number): void {
    if (!size) throw new Refusal("file_empty");
    if (size > limits.max_file_bytes) throw tooLarge(session, name);
    const code = checkName(name, limits.types);
    if (code === "name_not_allowed") throw new Refusal(code, {}, session, name);
    if (!code) return;
    const { types } = limits;
    const listed = types.map((type) => type.toUpperCase()).join(", ");
    const detail = `This file is not allowed. Its name and content must both be of an allowed type: ${listed}.`;
    throw new Refusal(code, { types, detail }, session, name);
  }

  /** The file that an earlier request with the same key stored. @throws Refusal */
  function earlier(session: FakeSession, key: string | null, name: string, size: number) {
    const isKnown = (known: FakeFile) => key !== null && known.key === key;
    const found = [...session.files, ...session.deletedFiles].find(isKnown)?.upload;
    if (!found) return undefined;
    if (found.name !== name || found.size !== size) throw new Refusal("idempotency_key_reused");
    if (found.status === "deleted") throw new Refusal("upload_deleted");
    return found;
  }

  /** @param openForms the sizes of files that may still arrive. @throws Refusal */
  function reserveRoom(
    session: FakeSession,
    name: string,
    size: number,
    openForms: number[] = [],
  ): void {
    const { max_files, max_total_bytes } = limits;
    const files = session.files.length + session.reserved.files + openForms.length;
    const bytes = openForms.reduce((sum, one) => sum + one, usedBytes(session) + size);
    if (files < max_files && bytes <= max_total_bytes) return;
    const advice = openForms.length
      ? "A direct upload that was cancelled or deleted counts until its form expires. Try again in a few minutes."
      : "Delete a file first.";
    const detail = `A session can have at most ${max_files} files and ${megabytes(max_total_bytes)}. ${advice}`;
    throw new Refusal("quota_exceeded", { detail }, session, name);
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
      content_type: typeOf(name),
      sha256: randomHex(64),
      status: "stored",
      created_at: iso(now()),
    };
    session.files.push({ upload, key });
    markUsed(session);
    record(session, "upload.stored", name);
    return upload;
  }

  function listFiles(request: ApiRequest): Reply {
    const uploads = prove(request).files.map(({ upload }) => upload);
    const place = ({ id, created_at }: Schemas["Upload"]) => ({ id, at: created_at });
    const body: Schemas["PaginatedUploadList"] = page(
      request,
      uploads.reverse(),
      place,
      state.pageSize,
    );
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
    const isNamed = ({ upload }: FakeFile) => upload.id === idOf(request);
    if (session.deletedFiles.some(isNamed) || direct.cancel(session, idOf(request))) {
      return { status: 204 };
    }
    const upload = named(request);
    const [file] = session.files.splice(session.files.findIndex(isNamed), 1) as [FakeFile];
    session.deletedFiles.push({ ...file, upload: { ...upload, status: "deleted" } });
    record(session, "upload.deleted", upload.name);
    return { status: 204 };
  }

  function link(request: ApiRequest): Reply {
    const { id, status } = named(request);
    if (status === "quarantined") throw new Refusal("file_held_back");
    const url = `${INTERNAL}uploads/${id}/download/?link=${randomHex(16)}`;
    const body: Schemas["Link"] = { url, expires_at: iso(now() + MINUTE) };
    return { status: 200, body };
  }

  return {
    keep,
    store,
    announce: direct.announce,
    receive: direct.receive,
    complete: direct.complete,
    list: listFiles,
    get: (request: ApiRequest): Reply => ({ status: 200, body: named(request) }),
    remove,
    link,
  };
}
