import type { ResetReason, Schemas, SessionError } from "./api/http.js";
import type { SessionSnapshot } from "./store/sessionState.js";
import { isUnderWay, type UploadItem } from "./store/uploadItems.js";
import { shortName } from "./utils/fileNames.js";

const number = (value: number, unit: string, digits = 0) =>
  new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: digits }).format(value);

/** Format bytes as the server does, with 1,024 bytes to a kilobyte: 5 MB, 840 kB. */
const size = (bytes: number) =>
  bytes <= 1023 * 1024
    ? number(Math.ceil(bytes / 1024), "kilobyte")
    : number(bytes / 1024 ** 2, "megabyte", 1);

const time = (text: string) =>
  new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

const count = (files: number) => (files === 1 ? "1 file" : `${files} files`);

/** Shorten a file name and isolate its direction (UAX 9), so that it cannot turn a text around. */
const fileName = (name: string) => `\u2068${shortName(name)}\u2069`;

const endings: Record<ResetReason, string> = {
  expired: "Your session has expired",
  ended: "Your session was ended",
  revoked: "Your session was closed by support",
  reset: "Your session was replaced by a new one",
};

// The server's details for these codes are written for developers.
const CHANGED = "Your session has changed. Try again.";

const errorTexts: Record<string, string> = {
  network: "The server cannot be reached. Is this device online?",
  timeout: "The server does not answer just now.",
  unreadable: "The server cannot be reached properly just now.",
  rate_limited: "Too many requests. Wait a moment.",
  credential_store: "This app cannot keep your session just now. Try again.",
  file_changed: "This file was changed or removed after you chose it. Choose it again.",
  file_empty: "This file is empty.",
  upload_deleted: "This file was deleted. Choose it again to upload it.",
  upload_in_progress: "This file is still being uploaded.",
  not_found: "This file no longer exists.",
  session_changed: CHANGED,
  session_mismatch: CHANGED,
  session_invalid: CHANGED,
  session_required: CHANGED,
};

function lost({ count: all, files }: Schemas["Lost"]): string {
  const names = files.slice(0, 10).map((name) => `“${fileName(name)}”`);
  const more = all > names.length ? ` and ${all - names.length} more` : "";
  return `You can no longer open ${count(all)} from it: ${names.join(", ")}${more}. Support may be able to restore ${all === 1 ? "it" : "them"}.`;
}

function summary(items: readonly UploadItem[]): string {
  if (items.some(isUnderWay)) return "Uploading…";
  const stored = items.filter((item) => item.status === "stored" && item.key !== item.file.id);
  const failed = items.flatMap(({ name, ...item }) =>
    "error" in item && item.error ? [`${fileName(name)}: ${failure(item.error)}`] : [],
  );
  return [
    stored.length && `${count(stored.length)} stored.`,
    failed.length === 1
      ? failed[0]
      : failed.length && `${count(failed.length)} have a problem. The list says why.`,
  ]
    .filter(Boolean)
    .join(" ");
}

const loading = "Loading your data…";
const unknown = "Your data cannot be shown now.";

const notPersistent =
  "This browser stores no data for this page. Your session ends when you reload it.";

const progress = ({ sent, size: all, speed, secondsLeft }: UploadItem & { status: "sending" }) =>
  [
    `${size(sent)} of ${size(all)}`,
    speed && `${size(speed)}/s`,
    secondsLeft && `${number(Math.ceil(secondsLeft), "second")} left`,
  ]
    .filter(Boolean)
    .join(", ");

function failure({ code, problem }: SessionError): string {
  const { max_file_bytes, types } = problem;
  if (code === "file_too_large") {
    return `This file is too large${max_file_bytes ? `: at most ${size(max_file_bytes)}` : ""}.`;
  }
  // Without a detail the file was refused by its name, before it was sent.
  if (code === "type_not_allowed" && types && !problem.detail) {
    return `Only ${types.join(", ").toUpperCase()} can be sent.`;
  }
  if (code === "quota_exceeded") return problem.detail ?? "There is no room left: remove a file.";
  const [field] = Object.values(problem.errors ?? {}).flat();
  return errorTexts[code] ?? field?.detail ?? problem.detail ?? `Something went wrong (${code}).`;
}

/** The texts of the components in English. Replace some: `{ ...english, choose: "Add a file" }`. */
export const english = {
  size,
  time,
  fileName,
  cancel: "Cancel",
  copy: "Copy",
  copied: "Copied",
  notCopied: "This browser does not allow it: copy the code by hand.",
  retry: "Try again",
  working: "One moment…",
  error: failure,

  /** The status line. Empty if there is nothing to report. */
  status: (session: SessionSnapshot): string => {
    const text = {
      idle: "",
      starting: "Starting your session…",
      ready: "",
      expiring: `Your session ends at ${session.session ? time(session.session.expires_at) : ""}.`,
      offline: "error" in session ? `${failure(session.error)} Nothing is lost. Trying again…` : "",
      failed: "error" in session ? failure(session.error) : "",
      reset_required: "",
      mismatch: "",
    }[session.status];
    return session.persistent ? text : `${text} ${notPersistent}`;
  },
  stay: "Stay",

  /** Why a session cannot continue, and what happens to its files. */
  alert: (session: SessionSnapshot): [title: string, text: string] =>
    session.status === "reset_required"
      ? [endings[session.reason], lost(session.lost)]
      : [
          "This browser has another session",
          "This page expected a different session. Nothing was deleted.",
        ],
  giveSupport: "Give this code to support:",
  startAgain: "Start a new session",
  later: "Later",
  continueSession: "Continue with your session",
  showAgain: "What can I do?",

  whereFiles: "Where are my files?",
  whereText:
    "They belong to your session in this browser. If a file is missing, give this code to support:",
  /** Why there are no data and no code to show. */
  noData: (session: SessionSnapshot): string => {
    const { status } = session;
    const isLeft = status === "idle" && !session.supportCode; // A session that was ended here.
    const ended =
      status === "reset_required"
        ? session.endedSupportCode
        : isLeft && session.previousSupportCode;
    if (ended) {
      return `Your session has ended. Its files and data are kept for a few days. Until they are deleted, support may be able to restore them with the code ${ended}.`;
    }
    return {
      idle: "There is no session in this browser.",
      starting: loading,
      ready: loading,
      expiring: loading,
      offline: "The server cannot be reached, so your data cannot be shown now.",
      reset_required: unknown,
      mismatch: unknown,
      failed: unknown,
    }[status];
  },
  previousCode: "The code of your previous session:",

  reset: "Start again",
  resetText:
    "A new session starts. Your files stay in the old one, and you can no longer open them.",
  notMe: "Not you?",
  notMeText: "If someone else used this device, start your own session. Theirs is closed.",
  erase: "Erase everything",
  eraseText: "Your files, your name and your e-mail address are deleted. This cannot be undone.",

  yourData: "Your data",
  email: "Your e-mail address",
  save: "Save",
  proven: "Confirmed",
  sendCode: "Send a code to confirm it",
  sent: "We sent you a code by e-mail.",
  code: "The six digits from the e-mail",
  confirm: "Confirm",
  consent: "What you agreed to",
  recovery: "Recovery code from support",
  recover: "Bring my session back",
  exportData: "Download everything",
  activity: "What happened",
  more: "Show more",

  choose: "Choose files",
  drop: "or drop them here",
  allowed: ({ types, max_files, max_file_bytes }: Schemas["Limits"]) =>
    `${types.join(", ").toUpperCase()}, ${size(max_file_bytes)} each, ${max_files} in all.`,
  noFiles: "No files yet.",
  filesLoading: "Loading your files…",
  filesUnknown: "Your files cannot be shown now.",
  files: "Your files",
  /** Announced once, however many files fail. */
  problem: "There is a problem with your files.",
  /** What has become of the files that were chosen here. Announced politely when it changes. */
  summary,
  file: (item: UploadItem): string => {
    if (item.status === "sending") return progress(item);
    return {
      queued: "Waiting for its turn",
      waiting: "Trying again soon…",
      failed: "",
      stored: `Stored, ${size(item.size)}`,
      missing: "This file cannot be opened now. Give support your code.",
      removing: "Removing…",
    }[item.status];
  },
  remove: "Remove",
  download: "Download",
};

export type Messages = typeof english;
