import { asSessionError, readAnswer, SessionError } from "./http.js";
import type { Answer, Http, Schemas } from "./http.js";
import { query } from "./sessionApi.js";

/** A stored file as the server describes it. */
export type Upload = Schemas["Upload"];

/** One request with a body whose way can be watched. */
export interface TransportRequest {
  url: string;
  headers: Record<string, string>;
  body: FormData;
  /** Whether cookies go along. */
  withCredentials: boolean;
  signal: AbortSignal;
  /** Bytes sent so far, of so many; both count the whole body. */
  onProgress(sent: number, total: number): void;
}

/** Posts a body and reports on its way; `fetch` cannot. Rejects with a `SessionError`. */
export type Transport = (request: TransportRequest) => Promise<Answer>;

/** Milliseconds without a byte sent or answered after which an upload is given up. */
const STALLED = 60_000;

/** The transport of browsers: XMLHttpRequest. */
export const xhrTransport: Transport = (request) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout>;
    const fail = (code: string) => () => {
      clearTimeout(timer);
      reject(new SessionError(code));
      xhr.abort();
    };
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(fail("timeout"), STALLED);
    };
    xhr.upload.onprogress = (event) => {
      alive();
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
    alive();
    xhr.send(request.body);
  });

export interface UploadRequest {
  file: File;
  /** Names this file on its way, so that sending it again stores it once. */
  key: string;
  /** Whether to send it to the storage instead of the server. */
  isDirect: boolean;
  signal: AbortSignal;
  onProgress(sent: number, total: number): void;
}

type Page = Schemas["PaginatedUploadList"];

/** The endpoints for files, typed. Each method rejects with a `SessionError`. */
export function createUploadApi(http: Http, transport: Transport) {
  const path = (id: string) => `uploads/${id}/`;

  async function list(uuid: string): Promise<Upload[]> {
    const files: Upload[] = [];
    let next = "";
    do {
      const page = await http.send<Page>("GET", `uploads/${query(next)}`, uuid);
      files.push(...page.results);
      next = page.next ?? "";
    } while (next);
    return files;
  }

  /** Post a form whose last field is the file, as S3 wants it. */
  function post(
    { file, signal, onProgress }: UploadRequest,
    url: string,
    headers: Record<string, string>,
    fields?: Record<string, string>,
  ): Promise<Answer> {
    const body = new FormData();
    for (const name in fields) body.append(name, fields[name] as string);
    body.append("file", file);
    const withCredentials = !fields && http.credential() === "cookie";
    return transport({ url, headers, body, withCredentials, signal, onProgress });
  }

  async function sendHere(uuid: string, request: UploadRequest): Promise<Upload> {
    const headers = await http.headers(uuid, request.key);
    return readAnswer(await post(request, `${http.baseUrl}uploads/`, headers)) as Upload;
  }

  /** Straight to the storage: the server says where, and looks at what has arrived. */
  async function sendDirect(uuid: string, request: UploadRequest): Promise<Upload> {
    const { name, size } = request.file;
    const { id, upload } = await http.send<Schemas["DirectUpload"]>(
      "POST",
      "uploads/direct/",
      uuid,
      { name, size },
      request.key,
    );
    try {
      readAnswer(await post(request, upload.url, {}, upload.fields)); // A storage says 204.
    } catch (error) {
      if (request.signal.aborted) void remove(uuid, id).catch(() => 0); // Its room is free again.
      throw error;
    }
    return http.send("POST", `${path(id)}complete/`, uuid);
  }

  const remove = (uuid: string, id: string) => http.send<undefined>("DELETE", path(id), uuid);

  return {
    /** All files of the session, newest first. */
    list,
    remove,
    /** An address at which the file can be fetched for 60 seconds. */
    link: (uuid: string, id: string) =>
      http.send<Schemas["Link"]>("POST", `${path(id)}link/`, uuid),

    /** Send a file; resolves once it is stored whole, as it was chosen. */
    async send(uuid: string, request: UploadRequest): Promise<Upload> {
      let upload: Upload;
      try {
        upload = await (request.isDirect ? sendDirect : sendHere)(uuid, request);
      } catch (thrown) {
        const error = asSessionError(thrown);
        if (error.code === "network" && (await obstacle(request.file))) {
          throw new SessionError("file_changed");
        }
        throw error;
      }
      if ((await obstacle(request.file)) !== "NotReadableError") return upload;
      // Written to while it was read: what has arrived may be half the one and half the other.
      await remove(uuid, upload.id);
      throw new SessionError("file_changed");
    },
  };
}

/** Why the file cannot be read as it was chosen, by the browser's name for it; empty if it can. */
async function obstacle(file: File): Promise<string> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return "";
  } catch (error) {
    return (error as Error).name;
  }
}
