import type { ResetReason, Schemas, SessionError } from "./api/http.js";
import type { SessionSnapshot } from "./store/sessionState.js";
import type { UploadItem } from "./store/uploadStore.js";

const number = (value: number, unit: string, digits = 0) =>
  new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: digits }).format(value);

/** Bytes as the server's own sentences tell them, 1024 to a kilobyte: 5 MB, 840 kB. */
const size = (bytes: number) =>
  bytes <= 1023 * 1024
    ? number(Math.ceil(bytes / 1024), "kilobyte")
    : number(bytes / 1024 ** 2, "megabyte", 1);

const time = (text: string) =>
  new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

const over: Record<ResetReason, string> = {
  expired: "Your session has expired",
  ended: "Your session was ended",
  revoked: "Your session was closed by support",
  reset: "Your session was started again elsewhere",
};

/** The server's own words for these are for developers. */
const CHANGED = "Your session has changed. Try again.";

/** Words for codes; what is not here is told in the server's own words. */
const refusals: Record<string, string> = {
  network: "The server cannot be reached. Is this device online?",
  timeout: "The server does not answer just now.",
  unreadable: "The server cannot be reached properly just now.",
  rate_limited: "That was a lot at once: wait a moment.",
  file_changed: "This file was changed or removed after you chose it. Choose it again.",
  file_empty: "This file is empty.",
  session_changed: "This file went to your session before. Send it again.",
  upload_in_progress: "It is still arriving.",
  not_found: "It is not there any more.",
  session_mismatch: CHANGED,
  session_invalid: CHANGED,
  session_required: CHANGED,
};

const lost = ({ count, files }: Schemas["Lost"]) =>
  `${count === 1 ? "A file of it" : `${count} files of it`} cannot be used any more: ${files.map((name) => `“${name}”`).join(", ")}. Support may be able to restore ${count === 1 ? "it" : "them"}.`;

const forgetful = "This browser keeps nothing for this page: your session ends when you reload it.";

const progress = ({ sent, size: all, speed, secondsLeft }: UploadItem & { status: "sending" }) =>
  [
    `${size(sent)} of ${size(all)}`,
    speed && `${size(speed)}/s`,
    secondsLeft && `${number(Math.ceil(secondsLeft), "second")} left`,
  ]
    .filter(Boolean)
    .join(", ");

/** What went wrong, and what to do. */
function failure({ code, problem }: SessionError): string {
  const { max_file_bytes, types } = problem;
  if (code === "file_too_large") {
    return `This file is too large${max_file_bytes ? `: at most ${size(max_file_bytes)}` : ""}.`;
  }
  // Known before sending by its name; the server, which has looked into it, says more.
  if (code === "type_not_allowed" && types && !problem.detail) {
    return `Only ${types.join(", ").toUpperCase()} can be sent.`;
  }
  if (code === "quota_exceeded") return problem.detail ?? "There is no room left: remove a file.";
  const [field] = Object.values(problem.errors ?? {}).flat();
  return refusals[code] ?? field?.detail ?? problem.detail ?? `Something went wrong (${code}).`;
}

/** The words of the components, in English. Other words: `{ ...english, choose: "Add a file" }`. */
export const english = {
  size,
  time,
  cancel: "Cancel",
  copy: "Copy",
  copied: "Copied",
  notCopied: "This browser does not allow it: copy the code by hand.",
  retry: "Try again",
  working: "One moment…",
  error: failure,

  /** What the visitor should know just now; empty while all is well. */
  status: (session: SessionSnapshot): string => {
    const words = {
      idle: "",
      starting: "Starting your session…",
      ready: "",
      expiring: `Your session ends at ${session.session ? time(session.session.expires_at) : ""}.`,
      offline: "error" in session ? `${failure(session.error)} Nothing is lost. Trying again…` : "",
      failed: "error" in session ? failure(session.error) : "",
      reset_required: "",
      mismatch: "",
    }[session.status];
    return session.persistent ? words : `${words} ${forgetful}`;
  },
  stay: "Stay",

  /** Why a session cannot go on, and what became of what was in it. */
  alert: (session: SessionSnapshot): [title: string, text: string] =>
    session.status === "reset_required"
      ? [over[session.reason], lost(session.lost)]
      : [
          "This browser has another session",
          "This page remembered a session that this browser cannot prove. Nothing was deleted.",
        ],
  tellSupport: "Tell support this code:",
  startAgain: "Start a new session",
  later: "Later",
  continueSession: "Continue with your session",
  showAgain: "What can I do?",

  whereFiles: "Where are my files?",
  whereText:
    "They belong to your session in this browser. If you miss one, tell support this code:",
  noSession: "Your session begins when you send something.",
  previousCode: "The session before had this code:",

  reset: "Start again",
  resetText:
    "A new session begins. Your files stay with this one, and you cannot open them any more.",
  notMe: "Not you?",
  notMeText: "If somebody else used this device, begin a session of your own. Theirs is closed.",
  erase: "Erase everything",
  eraseText:
    "Your files, your name and your address are deleted for good. Nobody can bring them back.",

  yourData: "Your data",
  email: "Your e-mail address",
  save: "Save",
  proven: "Confirmed",
  sendCode: "Send a code to confirm it",
  sent: "A code is on its way to you.",
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
  files: "Your files",
  /** How far a file is. */
  file: (item: UploadItem): string => {
    if (item.status === "sending") return progress(item);
    return {
      queued: "Waiting for its turn",
      waiting: "Trying again soon…",
      failed: "",
      stored: `Stored, ${size(item.size)}`,
      missing: "It cannot be opened just now. Tell support your code.",
      removing: "Removing…",
    }[item.status];
  },
  remove: "Remove",
  download: "Download",
};

/** What a translation has to say. */
export type Messages = typeof english;
