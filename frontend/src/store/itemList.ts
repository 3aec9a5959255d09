import type { SessionError } from "../api/http.js";
import { createLeaving } from "./leaving.js";
import { callAll, createEvents } from "./listeners.js";
import type { SessionStore } from "./sessionStore.js";
import {
  EMPTY,
  type ItemState,
  type UploadEvents,
  type UploadItem,
  type UploadSnapshot,
} from "./uploadItems.js";

/** What an upload store shows, its subscribers, and the files that the tab's next page must know. */
export function createItemList(session: SessionStore) {
  const leaving = createLeaving();
  const listeners = new Set<() => void>();
  const { on, emit } = createEvents<UploadEvents>();
  let snapshot = EMPTY;

  function set(next: Partial<UploadSnapshot>): void {
    snapshot = { ...snapshot, ...next };
    callAll(listeners);
    leaving.follow(session.getSnapshot(), snapshot.items);
  }

  set({ items: leaving.read(session.getSnapshot().uuid) });

  const find = (key: string) => snapshot.items.find((item) => item.key === key);

  const replace = (key: string, next: (item: UploadItem) => UploadItem) =>
    set({ items: snapshot.items.map((item) => (item.key === key ? next(item) : item)) });

  const update = (key: string, state: ItemState) =>
    replace(key, ({ name, size }) => ({ key, name, size, ...state }));

  function report(item: UploadItem | undefined): void {
    if (item?.status === "failed") emit("failed", item.error, item);
  }

  return {
    leaving,
    listeners,
    on,
    emit,
    get: (): UploadSnapshot => snapshot,
    set,
    find,
    filter: (isKept: (item: UploadItem) => unknown) =>
      set({ items: snapshot.items.filter(isKept) }),
    replace,
    /** Give an item another state. Name and size stay. */
    update,
    fail(key: string, error: SessionError, canRetry: boolean): void {
      update(key, { status: "failed", error, canRetry });
      report(find(key));
    },
    /** Call the page's functions for an item that has failed. */
    report,
  };
}
