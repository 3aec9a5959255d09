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
