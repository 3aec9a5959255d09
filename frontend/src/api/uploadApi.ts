import { DIRECT_UPLOAD, LINK, NOTHING, UPLOAD, UPLOAD_PAGE, type Shape } from "./checks.js";
import { asSessionError, readAnswer, SessionError, within } from "./http.js";
import type { Answer, Http, Schemas } from "./http.js";
import { later, MINUTE } from "../utils/time.js";
import { query } from "./sessionApi.js";

export type Upload = Schemas["Upload"];

/** A request that reports its progress. */
export interface TransportRequest {
  url: string;
  headers: Record<string, string>;
  body: FormData;
  withCredentials: boolean;
  signal: AbortSignal;
  /** Called with bytes of the request body. */
  onProgress(sent: number, total: number): void;
}

/** Posts a body and reports its progress, which `fetch` cannot. Rejects with a `SessionError`. */
export type Transport = (request: TransportRequest) => Promise<Answer>;

/** Milliseconds without progress after which an upload fails with `timeout`. */
const STALLED = MINUTE;

export const xhrTransport: Transport = (request) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout>;
    const fail = (code: string) => () => {
      clearTimeout(timer);
      reject(new SessionError(code));
      xhr.abort();
    };
    const restartTimer = () => {
      clearTimeout(timer);
      timer = later(STALLED, fail("timeout"));
    };
    xhr.upload.onprogress = (event) => {
      restartTimer();
      request.onProgress(event.loaded, event.total);
    };
    xhr.onerror = fail("network");
    xhr.onload = () => {
      clearTimeout(timer);
      resolve({
        status: xhr.status,
        text: xhr.responseText,
        header: (name) => xhr.getResponseHeader(name),
      });
    };
    request.signal.addEventListener("abort", fail("aborted"));
    if (request.signal.aborted) return fail("aborted")();
    xhr.open("POST", request.url);
    xhr.withCredentials = request.withCredentials;
    for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    restartTimer();
    xhr.send(request.body);
  });

export interface UploadRequest {
  file: File;
  /** The Idempotency-Key: sending the file again with it stores it once. */
  key: string;
  isDirect: boolean;
  signal: AbortSignal;
  onProgress(sent: number, total: number): void;
}

type Page = Schemas["PaginatedUploadList"];

/** A server has 100 files on a page. A list with more pages than this never ends. */
const MOST_PAGES = 100;

/** The upload endpoints. Each method rejects with a `SessionError`. */
export function createUploadApi(http: Http, transport: Transport) {
  const path = (id: string) => `uploads/${id}/`;

  async function list(uuid: string): Promise<Upload[]> {
    const files: Upload[] = [];
    for (let next = "", pages = 0; pages < MOST_PAGES; pages++) {
      const page = await http.send<Page>(UPLOAD_PAGE, "GET", `uploads/${query(next)}`, { uuid });
      files.push(...page.results);
      if (!page.next) return files;
      next = page.next;
    }
    throw new SessionError("unreadable", 200);
  }

  /** Post a form. S3 requires that the file is its last field. */
  async function post<T>(
    shape: Shape,
    { file, signal, onProgress }: UploadRequest,
    url: string,
    headers: Record<string, string>,
    fields?: Record<string, string>,
  ): Promise<T> {
    const body = new FormData();
    for (const name in fields) body.append(name, fields[name] as string);
    body.append("file", file);
    const withCredentials = !fields && http.credential() === "cookie";
    const answer = await transport({ url, headers, body, withCredentials, signal, onProgress });
    return readAnswer(shape, answer.status, answer.text, answer.header("Retry-After")) as T;
  }

  async function sendHere(uuid: string, request: UploadRequest): Promise<Upload> {
    const headers = await http.headers(uuid, request.key);
    return post(UPLOAD, request, `${http.baseUrl}uploads/`, headers);
  }

  /** Send the file to the storage: get its URL, post the file, ask the server to check it. */
  async function sendDirect(uuid: string, request: UploadRequest): Promise<Upload> {
    const { name, size } = request.file;
    const { id, upload } = await http.send<Schemas["DirectUpload"]>(
      DIRECT_UPLOAD,
      "POST",
      "uploads/direct/",
      { uuid, body: { name, size }, key: request.key },
    );
    try {
      await post(NOTHING, request, upload.url, {}, upload.fields);
    } catch (error) {
      if (request.signal.aborted) void remove(uuid, id).catch(() => 0); // Frees its quota when the form expires.
      throw error;
    }
    return http.send(UPLOAD, "POST", `${path(id)}complete/`, { uuid });
  }

  const remove = (uuid: string, id: string) =>
    http.send<undefined>(NOTHING, "DELETE", path(id), { uuid });

  return {
    /** All files of the session, newest first. */
    list,
    remove,
    /** A download URL that is valid for 60 seconds. */
    link: (uuid: string, id: string) =>
      http.send<Schemas["Link"]>(LINK, "POST", `${path(id)}link/`, { uuid }),

    /** Send a file. Resolves when all of it is stored. */
    async send(uuid: string, request: UploadRequest): Promise<Upload> {
      let upload: Upload;
      try {
        upload = await (request.isDirect ? sendDirect : sendHere)(uuid, request);
      } catch (thrown) {
        const error = asSessionError(thrown);
        if (error.code === "network" && (await readError(request.file))) {
          throw new SessionError("file_changed");
        }
        throw error;
      }
      if ((await readError(request.file)) !== "NotReadableError") return upload;
      // The file changed while it was read: the stored copy may mix both versions.
      await remove(uuid, upload.id);
      throw new SessionError("file_changed");
    },
  };
}

export type UploadApi = ReturnType<typeof createUploadApi>;

/** The name of the browser's error if the file can no longer be read; empty if it can. */
async function readError(file: File): Promise<string> {
  try {
    await within(STALLED, async () => file.slice(0, 1).arrayBuffer());
    return "";
  } catch (error) {
    return (error as Error).name;
  }
}
