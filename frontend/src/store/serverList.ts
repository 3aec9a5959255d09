import type { SessionError } from "../api/http.js";
import type { Upload } from "../api/uploadApi.js";
import { later, retryDelay } from "../utils/time.js";
import type { News } from "./news.js";
import type { SessionStore } from "./sessionStore.js";
import {
  differ,
  mayHaveArrived,
  merged,
  type UploadItem,
  type UploadSnapshot,
} from "./uploadItems.js";

/**
 * Reads the server's list of files, and reads it again when it may have changed.
 *
 * @param request requests the list
 * @param get returns what is shown
 * @param set shows something else
 * @param isWatched whether somebody looks at the files
 */
export function createServerList(
  session: SessionStore,
  request: (uuid: string) => Promise<Upload[]>,
  get: () => UploadSnapshot,
  set: (next: Partial<UploadSnapshot>) => void,
  isWatched: () => unknown,
) {
  const removed = new Set<string>();
  const isThere = ({ id }: { id: string }) => !removed.has(id);
  /** The session whose list is shown or requested. */
  let listed: string | null = null;
  // Lists are numbered as they are requested. An older one must not replace a newer one.
  let requested = 0;
  let shown = 0;
  /** What the server has, if the list has not been compared with it; undefined means "ask". */
  let unread: { news: News } | undefined;
  let failures = 0;
  let timer: ReturnType<typeof later> | undefined;

  const stop = () => clearTimeout(timer);

  /** Load the server's list. Files that are being sent stay. */
  async function load(): Promise<void> {
    const { uuid } = session.getSnapshot();
    const before = get().items;
    const number = ++requested;
    stop();
    listed = uuid;
    if (!uuid) return;
    try {
      const uploads = await session.withSession(request);
      if (listed !== uuid || number < shown) return;
      shown = number;
      failures = 0;
      show(uploads.reverse(), true, before);
    } catch (thrown) {
      if (listed === uuid && number > shown) failed(thrown as SessionError);
    }
  }

  function failed(error: SessionError): void {
    // Loaded again when the session is confirmed. A refusal would be repeated for ever.
    if (error.isTransient) listed = null;
    stop();
    // The session may be well although its list is not: nothing else would take the error away.
    if (!listed && isWatched()) {
      timer = later(retryDelay(error, failures++), () => listed ?? load());
    }
    set({ isLoaded: false, error });
  }

  /** Show a list, except for what has changed since it was requested. */
  function show(uploads: Upload[], isLoaded: boolean, before: readonly UploadItem[]): void {
    set({ items: merged(uploads.filter(isThere), get().items, before), isLoaded, error: null });
  }

  /** Show no file of the server. */
  const clear = () => show([], false, get().items);

  function compare(): void {
    const { items } = get();
    // A file that the server stores just now would be shown twice.
    if (!unread || items.some(mayHaveArrived)) return;
    const { news } = unread;
    unread = undefined;
    if (!news || differ(items, news.filter(isThere))) void load();
  }

  return {
    load,
    clear,
    compare,
    /** Request the list no more until somebody looks at it. */
    stop,
    /** A file was deleted. A list that was requested before still has it. */
    forget: (id: string) => void removed.add(id),

    /** Load the list if the server has other files than are shown. */
    read(news: News): void {
      unread = { news };
      compare();
    },

    /** Load the files of a new or newly confirmed session. */
    follow(): void {
      const now = session.getSnapshot();
      const uuid = now.status === "reset_required" ? null : now.uuid;
      if (uuid !== listed) {
        if (listed) clear();
        listed = null;
        if (uuid && now.session) void load();
      }
      const isIdle = now.status === "idle"; // Without a session there are no files.
      if (!listed && get().isLoaded !== isIdle) set({ isLoaded: isIdle });
    },
  };
}
