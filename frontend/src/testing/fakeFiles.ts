import { extensionOf, shownText } from "../utils/fileNames.js";
import type { RefusalCode } from "./refusals.js";

const TYPES: Record<string, string> = {
  pdf: "application/pdf",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};
const NAME_LIMIT = 255;
/** Kept, but shown as nothing. */
const BLANK = /^[\s\u200c\u200d\u034f\u115f\u1160\u2800\u3164\ufe00-\ufe0f\uffa0]*$/;
/** Some servers read a name only up to the semicolon, and run what it names. */
const RUN_BY_SERVERS =
  /\.(as[ap]x?|as[hm]x|cdx|cer|cgi|dll|exe|html?|idc|jsp?|jspx|phar|php\d?|pht|phtml|p[lby]|rb|sh|[ps]html?|stm|svg|xht|xhtml|xml);/i;

/** The media type of a file, by its name. */
export const typeOf = (name: string) => TYPES[extensionOf(name)] ?? "application/octet-stream";

/** A file name as the server keeps it. */
export function cleanName(name: string): string {
  const last = shownText(name.normalize("NFC")).split(/[/\\]/).at(-1) ?? "";
  const dot = last.lastIndexOf(".");
  const extension = last.slice(dot + 1);
  const stem = dot < 0 ? "" : last.slice(0, dot).slice(0, NAME_LIMIT - extension.length - 1);
  return (stem + (dot < 0 ? "" : ".") + extension).slice(0, NAME_LIMIT);
}

/** Why a name is refused; undefined if it is not. */
export function checkName(name: string, types: readonly string[]): RefusalCode | undefined {
  const dot = name.lastIndexOf(".");
  if (dot < 0 || !types.includes(extensionOf(name))) return "type_not_allowed";
  const isRefused = BLANK.test(name.slice(0, dot)) || RUN_BY_SERVERS.test(name);
  return isRefused ? "name_not_allowed" : undefined;
}

/** A size as the server's sentences have it. */
export function megabytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : bytes < 1024 ** 2 ? 1 : bytes < 1024 ** 3 ? 2 : 3;
  if (!power) return `${bytes}\u00a0byte${bytes === 1 ? "" : "s"}`;
  return `${(bytes / 1024 ** power).toFixed(1)}\u00a0${["", "KB", "MB", "GB"][power]}`;
}
