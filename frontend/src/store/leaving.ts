import { fits } from "../api/checks.js";
import { SessionError } from "../api/http.js";
import { probeStorage } from "../utils/sessionUtils.js";
import { later, SECOND } from "../utils/time.js";
import type { SessionSnapshot } from "./sessionState.js";
import { isInterrupted, isUnderWay, type UploadItem } from "./uploadItems.js";

/** Where a tab keeps the names of its unsent files. Its next page is the only one that can read them. */
const KEY = "session_unsent";

/** Asks before the page is left while files are on their way, and names them on the tab's next page. */
export function createLeaving() {
  const storage = probeStorage(undefined, "sessionStorage");
  let kept: string | null = null;
  let isDownload = false;

  function ask(event: BeforeUnloadEvent): void {
    if (isDownload) return;
    event.preventDefault();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- Chrome before 119 needs it.
    event.returnValue = true;
  }

  /** Keep the names and sizes of these files under their session, or nothing. */
  function keep(uuid: string | null, items: readonly UploadItem[]): void {
    const files = items.map(({ name, size }) => ({ name, size }));
    const text = uuid && files.length ? JSON.stringify({ uuid, files }) : "";
    if (text === kept) return;
    kept = text;
    try {
      storage?.removeItem(KEY);
      if (text) storage?.setItem(KEY, text);
    } catch {
      // The storage is full: the next page says nothing.
    }
  }

  return {
    /** Open a URL that is a download. The browser asks before it knows that the page stays. */
    download(url: string): void {
      isDownload = true;
      open(url, "_self");
      later(SECOND, () => (isDownload = false));
    },

    /** The files of this session that were on their way when the page before was left. */
    read(uuid: string | null): UploadItem[] {
      try {
        const document: unknown = JSON.parse(String(storage?.getItem(KEY)));
        if (
          uuid &&
          fits(document, { uuid: (owner) => owner === uuid, files: [{ name: "", size: 0 }] })
        ) {
          const { files } = document as { files: { name: string; size: number }[] };
          const error = new SessionError("interrupted");
          return files.map(({ name, size }, at) => ({
            ...{ key: `interrupted-${at}`, name, size },
            ...{ status: "failed", error, canRetry: false },
          }));
        }
      } catch {
        // Somebody else has written it.
      }
      return [];
    },

    /** The files have changed. */
    follow({ uuid, persistent }: SessionSnapshot, items: readonly UploadItem[]): void {
      // Only while it is needed: browsers keep pages without this listener for the back button.
      const change = items.some(isUnderWay) ? "addEventListener" : "removeEventListener";
      if (typeof window === "object") window[change]("beforeunload", ask);
      const unsent = items.filter((item) => isUnderWay(item) || isInterrupted(item));
      keep(persistent ? uuid : null, unsent);
    },
  };
}
