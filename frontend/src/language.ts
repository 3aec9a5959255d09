import type { ResetReason, Schemas, SessionError } from "./api/http.js";
import type { Events } from "./events.js";
import type { SessionSnapshot } from "./store/sessionState.js";
import { hasNoRoom, isUnderWay, type UploadItem } from "./store/uploadItems.js";
import { shortName } from "./utils/fileNames.js";
import { MINUTE } from "./utils/time.js";

/** The texts of `YourData`. Without them it is in English. */
export interface DataTexts {
  yourData: string;
  email: string;
  save: string;
  proven: string;
  sendCode: string;
  sent: string;
  code: string;
  confirm: string;
  consent: string;
  recovery: string;
  recover: string;
  exportData: string;
  activity: string;
  more: string;
  erase: string;
  eraseText: string;
  /** What happened, by the event; with an actor after a slash where the sentence differs. */
  events: Events;
}

/** One form for each plural category that the language has (`Intl.PluralRules`). `{n}` is the number. */
export type Plural = { readonly [Form in Intl.LDMLPluralRule]?: string } & {
  readonly other: string;
};

/** The plain texts of the components. */
export interface Texts {
  /** A language tag, and the direction of its script. */
  lang: string;
  dir: "ltr" | "rtl";
  cancel: string;
  copy: string;
  copied: string;
  notCopied: string;
  retry: string;
  working: string;
  stay: string;
  giveSupport: string;
  startAgain: string;
  later: string;
  continueSession: string;
  showAgain: string;
  whereFiles: string;
  whereText: string;
  previousCode: string;
  resetText: string;
  notMe: string;
  notMeText: string;
  choose: string;
  drop: string;
  dropAnywhere: string;
  attach: string;
  camera: string;
  noFiles: string;
  filesLoading: string;
  filesUnknown: string;
  files: string;
  retryAll: string;
  cancelAll: string;
  /** Announced once, however many files fail. */
  problem: string;
  remove: string;
  download: string;
  uploadToo: string;
}

/** The words of a language: texts, and patterns with places in braces. */
export interface Words {
  /** Between the members of a list. */
  comma: string;
  /** A number of files. */
  fileCount: Plural;
  /** `{n}` of the allowed `{files}`; `{max}` is their number without a word. */
  ofFiles: string;
  /** `{files}` is their number. */
  stored: string;
  problems: string;
  uploading: string;
  limits: string;
  progress: string;
  timeLeft: string;
  /** What is becoming of a file. `stored` has its `{size}`. */
  states: Record<Exclude<UploadItem["status"], "sending">, string>;
  endings: Record<ResetReason, string>;
  /** The `{files}` of an ended session, with their `{names}`, each in quotation marks. */
  lost: string;
  quoted: string;
  moreNames: string;
  /** The title and the text of an alert. */
  mismatch: readonly [string, string];
  starting: string;
  expiring: string;
  offline: string;
  notPersistent: string;
  /** Why there are no data to show. */
  noData: Record<"none" | "loading" | "offline" | "unknown" | "ended", string>;
  /** By the code of the error. `unknown` is for all others. */
  errors: Record<ErrorText, string>;
}

type ErrorText =
  | ("network" | "timeout" | "unreadable" | "unavailable" | "rate_limited" | "credential_store")
  | ("file_changed" | "file_empty" | "file_too_large" | "file_too_large_for" | "file_held_back")
  | ("type_not_allowed" | "content_not_allowed" | "name_not_allowed" | "quota_exceeded")
  | ("upload_deleted" | "not_found" | "interrupted" | "duplicate")
  | ("session_changed" | "code_expired" | "code_wrong" | "recovery_invalid" | "invalid_input")
  | "unknown";

/** Codes of the server that mean the same for a visitor. */
const SAME: Readonly<Record<string, ErrorText>> = {
  session_mismatch: "session_changed",
  session_invalid: "session_changed",
  session_required: "session_changed",
  database_unavailable: "unavailable",
  storage_unavailable: "unavailable",
  server_busy: "unavailable",
  mail_unavailable: "unavailable",
  upload_in_progress: "unavailable",
  content_mismatch: "file_changed",
};

/** Put values into the places of a pattern. */
const fill = (pattern: string, values: Record<string, string | number>) =>
  pattern.replace(/\{(\w+)\}/g, (place, name: string) => `${values[name] ?? place}`);

/** Isolate the direction of a text (UAX 9), so that it cannot turn around what is beside it. */
const isolated = (text: string) => `\u2068${text}\u2069`;

/** Shorten a file name and isolate it. */
const fileName = (name: string) => isolated(shortName(name));

/** Make the messages of a language from its words. */
export function createLanguage(texts: Texts, words: Words) {
  const { lang } = texts;
  const { errors, states, noData } = words;
  const rules = new Intl.PluralRules(lang);

  const number = (value: number, unit: string, maximumFractionDigits = 0) =>
    new Intl.NumberFormat(lang, { style: "unit", unit, maximumFractionDigits }).format(value);
  const digits = (n: number) => new Intl.NumberFormat(lang).format(n);
  const count = (files: number) => {
    const { fileCount } = words;
    return fill(fileCount[rules.select(files)] ?? fileCount.other, { n: digits(files) });
  };
  const upper = (types: readonly string[]) => {
    const list = types.join(words.comma).toUpperCase();
    return texts.dir === "rtl" ? isolated(list) : list;
  };

  /** Format bytes as the server does, with 1,024 bytes to a kilobyte: 5 MB, 840 kB. */
  const size = (bytes: number, per = "") =>
    bytes <= 1023 * 1024
      ? number(Math.ceil(bytes / 1024), `kilobyte${per}`)
      : number(bytes / 1024 ** 2, `megabyte${per}`, 1);
  const time = (text: string) =>
    new Date(text).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
  /** A time of day, which would say too little about a time that is far away. */
  const clock = (text: string) =>
    Date.parse(text) > Date.now() + 12 * 60 * MINUTE
      ? time(text)
      : new Date(text).toLocaleTimeString(lang, { timeStyle: "short" });
  const duration = (seconds: number) =>
    seconds > 90 ? number(Math.ceil(seconds / 60), "minute") : number(Math.ceil(seconds), "second");

  function failure({ code, status, problem }: SessionError): string {
    const { max_file_bytes: most, types = [] } = problem;
    const name = SAME[code] ?? code;
    if (name === "refused" && problem.detail) return problem.detail; // The page's own words.
    const isTooLarge = name === "file_too_large" && most;
    // With a status the server has refused it, which also looks at the content.
    const isContent = name === "type_not_allowed" && status;
    const key = isTooLarge ? "file_too_large_for" : isContent ? "content_not_allowed" : name;
    if (key === "object_missing") return states.missing;
    return fill((errors as Partial<Record<string, string>>)[key] ?? errors.unknown, {
      code,
      size: most ? size(most) : "",
      types: upper(types),
    });
  }

  function lost({ count: all, files }: Schemas["Lost"]): string {
    const names = files.slice(0, 10).map((name) => fill(words.quoted, { name: fileName(name) }));
    const rest = all - names.length;
    const more = rest > 0 ? fill(words.moreNames, { n: digits(rest) }) : "";
    return fill(words.lost, { files: count(all), names: names.join(words.comma) + more });
  }

  const progress = (item: UploadItem & { status: "sending" }) =>
    [
      fill(words.progress, { sent: size(item.sent), size: size(item.size) }),
      item.speed && size(item.speed, "-per-second"),
      item.secondsLeft && fill(words.timeLeft, { time: duration(item.secondsLeft) }),
    ]
      .filter(Boolean)
      .join(words.comma);

  return {
    ...texts,
    size,
    time,
    fileName,
    error: failure,

    /** The status line. Empty if there is nothing to report. */
    status: (session: SessionSnapshot): string => {
      const { status } = session;
      const error = "error" in session ? failure(session.error) : "";
      const end = session.session ? clock(session.session.expires_at) : "";
      const lines: Partial<Record<typeof status, string>> = {
        starting: words.starting,
        expiring: fill(words.expiring, { time: end }),
        offline: error && fill(words.offline, { error }),
        failed: error,
      };
      const text = lines[status] ?? "";
      return session.persistent ? text : `${text} ${words.notPersistent}`;
    },

    /** Why a session cannot continue, and what happens to its files. */
    alert: (session: SessionSnapshot): readonly [title: string, text: string] =>
      session.status === "reset_required"
        ? [words.endings[session.reason], lost(session.lost)]
        : words.mismatch,

    /** Why there are no data and no code to show. */
    noData: (session: SessionSnapshot): string => {
      const { status } = session;
      const isLeft = status === "idle" && !session.supportCode; // A session that was ended here.
      const ended =
        status === "reset_required"
          ? session.endedSupportCode
          : isLeft && session.previousSupportCode;
      if (ended) {
        return fill(noData.ended, { code: ended });
      }
      return {
        idle: noData.none,
        starting: noData.loading,
        ready: noData.loading,
        expiring: noData.loading,
        offline: noData.offline,
        reset_required: noData.unknown,
        mismatch: noData.unknown,
        failed: noData.unknown,
      }[status];
    },

    allowed: ({ types, max_files, max_file_bytes }: Schemas["Limits"]) =>
      fill(words.limits, {
        types: upper(types),
        size: size(max_file_bytes),
        n: digits(max_files),
      }),
    /** How many of the allowed files there are. `max` is Infinity until it is known. */
    count: (files: number, max: number): string =>
      max < Infinity
        ? fill(words.ofFiles, { n: digits(files), files: count(max), max: digits(max) })
        : count(files),

    /** What has become of the files that were chosen here. Announced politely when it changes. */
    summary: (items: readonly UploadItem[]): string => {
      if (items.some(isUnderWay)) return words.uploading;
      const stored = items.filter((item) => item.status === "stored" && item.key !== item.file.id);
      const failed = items.flatMap((item) =>
        "error" in item && item.error && !hasNoRoom(item)
          ? [`${fileName(item.name)}: ${failure(item.error)}`]
          : [],
      );
      return [
        stored.length && fill(words.stored, { files: count(stored.length) }),
        items.some(hasNoRoom) && errors.quota_exceeded, // Once, and not in each row.
        failed.length === 1
          ? failed[0]
          : failed.length && fill(words.problems, { files: count(failed.length) }),
      ]
        .filter(Boolean)
        .join(" ");
    },
    file: (item: UploadItem): string =>
      item.status === "sending"
        ? progress(item)
        : fill(states[item.status], { size: size(item.size) }),
  };
}

/** Everything that the components show. */
export type Messages = ReturnType<typeof createLanguage> & Partial<DataTexts>;
