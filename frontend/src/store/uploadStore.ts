import { SessionError } from "../api/http.js";
import { createUploadApi, xhrTransport, type Transport, type Upload } from "../api/uploadApi.js";
import { later, retryDelay } from "../utils/time.js";
import { callAll } from "./listeners.js";
import type { News } from "./news.js";
import type { SessionStore } from "./sessionStore.js";
import {
  differ,
  isUnderWay,
  itemOf,
  mayBeStored,
  mayHaveArrived,
  mayRetry,
  refusal,
  sending,
  type ItemState,
  type UploadItem,
  type UploadSnapshot,
} from "./uploadItems.js";

export interface UploadStoreOptions {
  /** Files sent at the same time. Default: two. */
  concurrency?: number | undefined;
  transport?: Transport | undefined;
}

/** The data to send a file, and to send it again. */
interface Job {
  file: File;
  tries: number;
  abort?: AbortController | undefined;
  /** Cancelled when the server may have all of it: it is deleted there when the answer is in. */
  isCancelled?: boolean;
  isDirect?: boolean;
  timer?: ReturnType<typeof later>;
}

const TRIES = 4;
const EMPTY: UploadSnapshot = { items: [], isLoaded: false, error: null };

/** The files of a session: stored ones, and those that are being sent. */
export function createUploadStore(session: SessionStore, options: UploadStoreOptions = {}) {
  const { concurrency = 2, transport = xhrTransport } = options;
  const api = createUploadApi(session.http, transport);
  const jobs = new Map<string, Job>();
  const listeners = new Set<() => void>();
  const removed = new Set<string>();
  let snapshot = EMPTY;
  let running = 0;
  let listed: string | null = null;
  // Lists are numbered as they are requested. An older one must not replace a newer one.
  let requested = 0;
  let shown = 0;
  /** What the server has, if the list has not been compared with it; undefined means "ask". */
  let unread: { news: News } | undefined;
  /** The session that all files and work belong to, or null before the first. */
  let owner: string | null = null;
  /** How often the visitor had left a session. Without subscribers this store follows nothing. */
  let departures = session.departures();
  let unsubscribe = (): void => undefined;

  function set(next: Partial<UploadSnapshot>): void {
    snapshot = { ...snapshot, ...next };
    callAll(listeners);
  }

  const find = (key: string) => snapshot.items.find((item) => item.key === key);

  const replace = (key: string, next: (item: UploadItem) => UploadItem) =>
    set({ items: snapshot.items.map((item) => (item.key === key ? next(item) : item)) });

  const update = (key: string, state: ItemState) =>
    replace(key, ({ name, size }) => ({ key, name, size, ...state }));

  function drop(key: string): void {
    clearTimeout(jobs.get(key)?.timer);
    jobs.delete(key);
    set({ items: snapshot.items.filter((item) => item.key !== key) });
  }

  /** Load the server's list. Files that are being sent stay. */
  async function load(): Promise<void> {
    const { uuid } = session.getSnapshot();
    const before = snapshot.items;
    const number = ++requested;
    listed = uuid;
    if (!uuid) return;
    try {
      const uploads = await session.withSession(api.list);
      if (listed !== uuid || number < shown) return;
      shown = number;
      show(uploads.reverse(), true, before);
    } catch (thrown) {
      if (listed === uuid) {
        const error = thrown as SessionError;
        // Loaded again when the session is confirmed. A refusal would be repeated for ever.
        if (error.isTransient) listed = null;
        set({ isLoaded: false, error });
      }
    }
  }

  /** Show a list, except for what has changed since it was requested. */
  function show(listed: Upload[], isLoaded: boolean, before = snapshot.items): void {
    const there = listed
      .filter(({ id }) => !removed.has(id))
      .map((file) => itemOf(file, keyOf(file)));
    const isKnown = (item: UploadItem) =>
      before.includes(item) || there.some(({ key }) => key === item.key);
    const here = snapshot.items.filter((item) => !("file" in item) || !isKnown(item));
    set({ items: [...there, ...here], isLoaded, error: null });
  }

  /** Load the list if the server has other files than are shown. */
  function read(news: News): void {
    unread = { news };
    compare();
  }

  function compare(): void {
    // A file that the server stores just now would be shown twice.
    if (!unread || snapshot.items.some(mayHaveArrived)) return;
    const { news } = unread;
    unread = undefined;
    if (
      !news ||
      differ(
        snapshot.items,
        news.filter(({ id }) => !removed.has(id)),
      )
    )
      void load();
  }

  /** A sent file keeps its key. */
  const keyOf = ({ id }: Upload) =>
    snapshot.items.find((item) => "file" in item && item.file.id === id)?.key ?? id;

  /** What was begun for one session must not be done for the next one. */
  function followOwner(): void {
    const { status, uuid } = session.getSnapshot();
    const isIdle = status === "idle";
    const hasLeft = departures !== (departures = session.departures());
    const isLeft = isIdle || (owner && uuid && uuid !== owner) || hasLeft;
    if (isLeft) leaveOwner(!hasLeft && session.lastChange() === "started");
    owner = isIdle ? null : (uuid ?? owner);
  }

  /** Abort all work and drop all files. Those that the server's new session has not got can be retried. */
  function leaveOwner(canRetry: boolean): void {
    const error = new SessionError("session_changed");
    for (const [key, { abort, timer }] of jobs) {
      abort?.abort();
      clearTimeout(timer);
      if (canRetry) fail(key, error, true);
      else drop(key);
    }
    if (snapshot.items.length) show([], false);
  }

  /** Load the files of a new or newly confirmed session. */
  function follow(): void {
    followOwner();
    const now = session.getSnapshot();
    const uuid = now.status === "reset_required" ? null : now.uuid;
    if (uuid !== listed) {
      if (listed) show([], false);
      listed = null;
      if (uuid && now.session) void load();
    }
    const isIdle = now.status === "idle"; // Without a session there are no files.
    if (!listed && snapshot.isLoaded !== isIdle) set({ isLoaded: isIdle });
    pump();
  }

  function pump(): void {
    followOwner();
    const limits = session.getSnapshot().session?.limits;
    if (!limits) return;
    for (const item of snapshot.items) {
      const job = jobs.get(item.key);
      if (item.status !== "queued" || !job) continue;
      const error = refusal(item, snapshot.items, limits);
      if (error) fail(item.key, error, mayRetry(error));
      else if (running < concurrency) void send(item, job, limits.direct_upload);
    }
  }

  const fail = (key: string, error: SessionError, canRetry: boolean) =>
    update(key, { status: "failed", error, canRetry });

  async function send(item: UploadItem, job: Job, isDirect: boolean): Promise<void> {
    const { key, size } = item;
    job.isDirect = isDirect;
    const { signal } = (job.abort = new AbortController());
    const isAborted = () => signal.aborted;
    const began = Date.now();
    // A transport may report progress after it has failed, or was aborted.
    const onProgress = (loaded: number, total: number) =>
      job.abort && !isAborted() && update(key, sending(size, loaded, total, began));
    /** Ask again: the answer was lost, so the file may be stored. */
    const failedCancelled = (error: SessionError) => {
      if (!jobs.delete(key) || isAborted()) return;
      if (!mayBeStored(error) || ++job.tries >= TRIES) return void load();
      jobs.set(key, job);
      job.timer = later(retryDelay(error, job.tries), () => void send(item, job, isDirect));
    };
    if (!job.isCancelled) running++;
    onProgress(0, 0);
    try {
      await session.withSession(async (uuid) => {
        if (isAborted() || uuid !== owner) throw new SessionError("session_changed");
        const file = await api.send(uuid, { file: job.file, key, isDirect, signal, onProgress });
        // Another tab may have reset the session: the file is in the previous one.
        if (session.getSnapshot().uuid !== uuid) throw new SessionError("session_changed");
        jobs.delete(key);
        if (job.isCancelled || isAborted()) return removeCancelled(uuid, file.id);
        const isOther = (item: UploadItem) => !("file" in item && item.file.id === file.id);
        const items = snapshot.items.filter(isOther); // The list may have it already.
        set({ items: items.map((item) => (item.key === key ? itemOf(file, key) : item)) });
        session.announce();
      });
    } catch (error) {
      if (job.isCancelled) failedCancelled(error as SessionError);
      else failed(key, job, error as SessionError);
    }
    job.abort = undefined;
    if (!job.isCancelled) running--;
    compare();
    pump();
    release();
  }

  /** Delete a file that was stored although the visitor had cancelled it. */
  async function removeCancelled(uuid: string, id: string): Promise<void> {
    try {
      await api.remove(uuid, id);
    } catch {
      return load(); // The visitor can see and remove it.
    }
    removed.add(id);
    set({ items: snapshot.items.filter((item) => !("file" in item) || item.file.id !== id) });
  }

  function failed(key: string, job: Job, error: SessionError): void {
    if (job.abort?.signal.aborted) return; // Its item is already gone or changed.
    // Another tab has used the quota. Show its files, so that the visitor can remove one.
    if (error.code === "quota_exceeded") void load();
    const again = mayBeStored(error);
    if (!again || ++job.tries >= TRIES) return fail(key, error, again || mayRetry(error));
    update(key, { status: "waiting", error });
    job.timer = later(retryDelay(error, job.tries), () => queue(key));
  }

  function queue(key: string): void {
    update(key, { status: "queued" });
    watch();
    pump();
  }

  /** Follow the session. Files that nobody looks at do not make it wait for a server. */
  function watch(): void {
    const end = [session.subscribe(follow, listeners.size > 0), session.onNews(read)];
    unsubscribe = () => callAll(end);
  }

  function release(): void {
    if (listeners.size) return;
    if (snapshot.items.some(isUnderWay)) watch();
    else unsubscribe();
  }

  return {
    getSnapshot: () => snapshot,
    getServerSnapshot: () => EMPTY,
    /** @returns a function that ends the subscription. Uploads continue without subscribers. */
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      watch();
      follow();
      return () => {
        listeners.delete(listener);
        release();
      };
    },

    /** Load the list again. Never rejects. */
    load,
    /**
     * Check files and send them. Creates a session if there is none.
     *
     * @param check returns why the page refuses a file, or null
     */
    add(chosen: Iterable<File>, check?: (file: File) => SessionError | null): void {
      watch();
      void session.start(); // While the session is idle, files are dropped.
      followOwner();
      const items = [...chosen].map((file): UploadItem => {
        const key = `${Math.random()}`;
        const error = check?.(file);
        const item = { key, name: file.name, size: file.size };
        if (error) return { ...item, status: "failed", error, canRetry: false };
        jobs.set(key, { file, tries: 0 });
        return { ...item, status: "queued" };
      });
      set({ items: [...snapshot.items, ...items] });
      pump();
    },
    /** The file of an item, until it is stored. */
    fileOf: (key: string) => jobs.get(key)?.file,
    /** Send a file again. It is stored once, however often it is sent. */
    retry(key: string): void {
      const job = jobs.get(key);
      if (!job || job.abort || job.isCancelled) return;
      job.tries = 0;
      clearTimeout(job.timer);
      queue(key);
    },
    /** Stop sending a file, or remove a refused one from the list. */
    cancel(key: string): void {
      const [item, job] = [find(key), jobs.get(key)];
      drop(key);
      if (item && job && !job.isDirect && mayHaveArrived(item)) {
        job.isCancelled = true;
        jobs.set(key, job); // Its session may still end, and abort it.
        running--;
        pump();
      } else if (job?.abort) {
        job.abort.abort();
        void load(); // It may have been stored all the same.
      }
      release();
    },
    /** Delete a file from the server. On failure its item has an `error`. */
    async remove(key: string): Promise<void> {
      const item = find(key);
      if (!item || !("file" in item)) return;
      const { file } = item;
      update(key, { status: "removing", file });
      try {
        await session.withSession((uuid) => api.remove(uuid, file.id));
        removed.add(file.id);
        drop(key);
        session.announce();
      } catch (thrown) {
        update(key, { status: item.status, file, error: thrown as SessionError });
      }
    },
    /** A download URL that is valid for 60 seconds. @throws SessionError */
    link: (id: string) => session.withSession(async (uuid) => (await api.link(uuid, id)).url),
  };
}

export type UploadStore = ReturnType<typeof createUploadStore>;
