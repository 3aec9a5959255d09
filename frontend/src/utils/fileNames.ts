// The characters that the server removes from the texts that people write (common/text.py).
const REMOVED =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}\p{NChar}\u00ad\u200b\u2060-\u206f\ufeff\ufff0-\ufffb\u{e0000}-\u{e00ff}\u{e01f0}-\u{e0fff}]/gu;

/** A text as the server keeps it. */
export const shownText = (text: string) => text.replace(REMOVED, "").trim();

/** The extension that the server reads from a file name, in lower case, or an empty string. */
export function extensionOf(name: string): string {
  const plain = shownText(name);
  const dot = plain.lastIndexOf(".");
  return dot < 0 ? "" : plain.slice(dot + 1).toLowerCase();
}

// These change the order of the characters around them, or begin a new line.
const MISLEADING = /[\p{Bidi_C}\p{Cc}\p{Zl}\p{Zp}]/gu;

/** A name without the characters that mislead its reader. */
export const plainName = (name: string): string => name.replace(MISLEADING, "");

/** A plain name of at most 80 characters. A longer one loses its middle, and keeps its extension. */
export const shortName = (name: string): string =>
  plainName(name).replace(/^(.{55}).{2,}(.{24})$/su, "$1…$2");
