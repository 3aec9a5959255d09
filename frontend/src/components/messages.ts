import type { ResetReason, SessionError, Schemas } from "../index.js";

const number = (value: number, unit: string, digits = 0) =>
  new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: digits }).format(value);

/** Bytes as people read them: 5 MB, 840 kB. */
const size = (bytes: number) =>
  bytes <= 999_000
    ? number(Math.ceil(bytes / 1000), "kilobyte")
    : number(bytes / 1e6, "megabyte", 1);

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

/** The words of the components, in English. Give `messages` to `SessionProvider` to say it your way. */
export const defaultMessages = {
  size,
  time,
  cancel: "Cancel",
  copy: "Copy",
  copied: "Copied",
  notCopied: "This browser does not allow it: copy the code by hand.",
  retry: "Try again",
  working: "One moment…",
  /** What went wrong, and what to do. */
  error: ({ code, problem }: SessionError): string => {
    const { max_file_bytes, types } = problem;
    if (code === "file_too_large") {
      return `This file is too large${max_file_bytes ? `: at most ${size(max_file_bytes)}` : ""}.`;
    }
    if (code === "type_not_allowed" && types) {
      return `Only ${types.join(", ").toUpperCase()} can be sent.`;
    }
    if (code === "quota_exceeded") return problem.detail ?? "There is no room left: remove a file.";
    const fields = Object.values(problem.errors ?? {}).flat();
    return (
      refusals[code] ?? fields[0]?.detail ?? problem.detail ?? `Something went wrong (${code}).`
    );
  },

  starting: "Starting your session…",
  offline: "Nothing is lost. Trying again…",
  expiring: (at: string) => `Your session ends at ${time(at)}.`,
  stay: "Stay",
  notPersistent: "This browser keeps nothing for this page: your session ends when you reload it.",

  over,
  lost: ({ count, files }: Schemas["Lost"]) =>
    `${count === 1 ? "A file of it" : `${count} files of it`} cannot be used any more: ${files.join(", ")}. Support may be able to bring it back.`,
  tellSupport: "Tell support this code:",
  startAgain: "Start a new session",
  later: "Later",
  mismatch: "This browser has another session",
  mismatchText:
    "This page remembered a session that this browser cannot prove. Nothing was deleted.",
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
  queued: "Waiting for its turn",
  removing: "Removing…",
  missing: "Its content cannot be found. Tell support your code.",
  stored: "Stored",
  remove: "Remove",
  download: "Download",
  progress: (sent: number, all: number, speed: number | null, secondsLeft: number | null) =>
    `${size(sent)} of ${size(all)}${speed ? `, ${size(speed)}/s` : ""}${secondsLeft ? `, ${number(Math.ceil(secondsLeft), "second")} left` : ""}`,
};

export type Messages = typeof defaultMessages;
