import { SessionError, type Schemas } from "../api/http.js";
import type { Transport, Upload } from "../api/uploadApi.js";
import { extensionOf, shownText } from "../utils/fileNames.js";
import { SECOND, type later } from "../utils/time.js";

export interface UploadStoreOptions {
  /** Files sent at the same time. Default: two. */
  concurrency?: number | undefined;
  transport?: Transport | undefined;
}

/** One file in the list. `key` identifies it as long as it is shown. */
export type UploadItem = { key: string; name: string; size: number } & (
  | { status: "queued" }
  /** `sent` of `size` bytes. `speed` in bytes per second; null until it is known. */
  | { status: "sending"; sent: number; speed: number | null; secondsLeft: number | null }
  /** Failed, and will be retried automatically. */
  | { status: "waiting"; error: SessionError }
  | { status: "failed"; error: SessionError; canRetry: boolean }
  /** On the server. `error` says why it could not be removed. */
  | { status: "stored" | "missing" | "removing"; file: Upload; error?: SessionError | undefined }
);

export interface UploadSnapshot {
  items: readonly UploadItem[];
  /** Whether the files are known. Until then no items does not mean that there are no files. */
  isLoaded: boolean;
  error: SessionError | null;
}

/** What an upload store reports to `on`, with its arguments. */
export interface UploadEvents {
  /** A file that was sent from here is stored. */
  stored: [file: Upload];
  /** A file is refused, or could not be sent. */
  failed: [error: SessionError, item: UploadItem];
  /** A file was deleted from here. */
  removed: [file: Upload];
}

export const EMPTY: UploadSnapshot = { items: [], isLoaded: false, error: null };

/** Returns why the page refuses a file, or null. `items` are those of the list. */
export type FileCheck = (file: File, items: readonly UploadItem[]) => SessionError | null;

/** The data to send a file, and to send it again. */
export interface Job {
  file: File;
  tries: number;
  abort?: AbortController | undefined;
  /** Cancelled when the server may have all of it: it is deleted there when the answer is in. */
  isCancelled?: boolean;
  isDirect?: boolean;
  /** Sent again as soon as the server can be reached. */
  isParked?: boolean;
  /** The page's own check, for a retry. */
  check?: FileCheck | null | undefined;
  timer?: ReturnType<typeof later>;
}

/** An outage counts like so much of a try: a file that stops the server each time must fail. */
export const OUTAGE = 0.1;

type NamedFile = Pick<UploadItem, "name" | "size">;
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type ItemState = Without<UploadItem, "key" | "name" | "size">;

/** So many bytes may have arrived although the browser has not reported them yet. */
const UNREPORTED = 256 * 1024;

/** Files that are being sent count like stored ones. */
export const countsAgainstQuota = ({ status }: UploadItem) =>
  status !== "queued" && status !== "failed";

/** Whether a file is still to be sent without the visitor doing anything. */
export const isUnderWay = ({ status }: UploadItem) =>
  status === "queued" || status === "sending" || status === "waiting";

const hasFailedBy = (code: string) => (item: UploadItem) =>
  item.status === "failed" && item.error.code === code;

/** Whether a file was on its way when the tab's last page was left. */
export const isInterrupted = hasFailedBy("interrupted");

/** Whether the visitor is asked if a file with the name and size of another one is wanted. */
export const isDuplicate = hasFailedBy("duplicate");

/** Whether a file is refused because the session is full. */
export const hasNoRoom = hasFailedBy("quota_exceeded");

export const isSameFile = (a: NamedFile, b: NamedFile) =>
  a.size === b.size && shownText(a.name) === shownText(b.name);

/** An item for a chosen file. `error` says why the page does not send it, or not yet. */
export const newItem = ({ name, size }: File, error?: SessionError | null): UploadItem => ({
  ...{ key: `${Math.random()}`, name, size },
  ...(error
    ? { status: "failed", error, canRetry: error.code === "duplicate" || mayRetry(error) }
    : { status: "queued" }),
});

/** The items without those of the page before that are chosen again. */
export const withoutOlder = (items: readonly UploadItem[], chosen: readonly UploadItem[]) =>
  items.filter((item) => !(isInterrupted(item) && chosen.some((one) => isSameFile(one, item))));

/** The state of a file of which `loaded` bytes of a form of `total` bytes are sent. */
export function sending(size: number, loaded: number, total: number, began: number): ItemState {
  const sent = total && Math.round((size * loaded) / total);
  const seconds = (Date.now() - began) / SECOND;
  const speed = seconds > 0.5 && sent ? sent / seconds : null;
  return { status: "sending", sent, speed, secondsLeft: speed && (size - sent) / speed };
}

/** Whether a file may be on the server although the answer is not in. */
export const mayHaveArrived = (item: UploadItem) =>
  item.status === "sending" && item.size - item.sent <= UNREPORTED;

/** Whether the files on the server are others, or in another state, than those of the items. */
export function differ(items: readonly UploadItem[], files: readonly Schemas["KnownFile"][]) {
  const here = items.flatMap((item) => ("file" in item ? [item.file] : []));
  const isShown = ({ id, status }: Schemas["KnownFile"]) =>
    here.some((file) => file.id === id && file.status === status);
  return here.length !== files.length || !files.every(isShown);
}

export const isOther = (id: string) => (item: UploadItem) =>
  !("file" in item && item.file.id === id);

export const itemOf = (file: Upload, key: string): UploadItem => ({
  key,
  name: file.name,
  size: file.size,
  status: file.status === "stored" ? "stored" : "missing",
  file,
});

/**
 * The server's list as items, then those that are not on the server.
 *
 * @param items those that are shown. A sent file keeps its key
 * @param before those that were shown when the list was requested; later ones stay
 */
export function merged(
  listed: readonly Upload[],
  items: readonly UploadItem[],
  before: readonly UploadItem[],
): UploadItem[] {
  const keyOf = ({ id }: Upload) =>
    items.find((item) => "file" in item && item.file.id === id)?.key ?? id;
  const there = listed.map((file) => itemOf(file, keyOf(file)));
  const isKnown = (item: UploadItem) =>
    before.includes(item) || there.some(({ key }) => key === item.key);
  const isStored = (item: UploadItem) =>
    isInterrupted(item) && there.some((one) => isSameFile(one, item));
  const here = items.filter((item) => ("file" in item ? !isKnown(item) : !isStored(item)));
  return [...there, ...here];
}

/** Whether a new session, or a removed file, may make a retry succeed. */
export const mayRetry = ({ code, status }: SessionError) =>
  status === 401 || code === "quota_exceeded" || code === "session_changed";

/** Whether the same request may succeed later; the file may even be stored already. */
export const mayBeStored = ({ isTransient, code }: SessionError) =>
  isTransient || code === "upload_in_progress";

/**
 * How often a file is sent. After a crash the server gives the key of an upload to its repetition
 * half a minute later; until then the upload is in progress.
 */
export const triesAfter = ({ code }: SessionError) => (code === "upload_in_progress" ? 8 : 4);

/**
 * Check a file against the server's limits before sending it.
 *
 * @param all the files of the session, or null to leave its room out
 */
export function refusal(
  { name, size }: NamedFile,
  all: readonly UploadItem[] | null,
  limits: Schemas["Limits"],
): SessionError | null {
  const counted = all?.filter(countsAgainstQuota) ?? [];
  const bytes = counted.reduce((sum, item) => sum + item.size, size);
  const isFull = counted.length >= limits.max_files || bytes > limits.max_total_bytes;
  const code =
    (!limits.types.includes(extensionOf(name)) && "type_not_allowed") ||
    (!size && "file_empty") ||
    (size > limits.max_file_bytes && "file_too_large") ||
    (all && isFull && "quota_exceeded");
  return code ? new SessionError(code, 0, { ...limits }) : null;
}
