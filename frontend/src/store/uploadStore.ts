import { mayBeAway, SessionError } from "../api/http.js";
import { createUploadApi, xhrTransport } from "../api/uploadApi.js";
import { later, retryDelay } from "../utils/time.js";
import { createItemList } from "./itemList.js";
import { callAll } from "./listeners.js";
import { createServerList } from "./serverList.js";
import type { SessionStore } from "./sessionStore.js";
import {
  EMPTY,
  isInterrupted,
  isUnderWay,
  itemOf,
  mayBeStored,
  mayHaveArrived,
  mayRetry,
  isOther,
  newItem,
  OUTAGE,
  refusal,
  sending,
  triesAfter,
  withoutOlder,
  type FileCheck,
  type Job,
  type UploadItem,
  type UploadStoreOptions,
} from "./uploadItems.js";

/** The files of a session: stored ones, and those that are being sent. */
export function createUploadStore(session: SessionStore, options: UploadStoreOptions = {}) {
  const { concurrency = 2, transport = xhrTransport } = options;
  const api = createUploadApi(session.http, transport);
  const jobs = new Map<string, Job>();
  const { listeners, on, emit, get, set, find, filter, replace, update, fail, report, leaving } =
    createItemList(session);
  let running = 0;
  let wasAway = false;
  /** The session that all files and work belong to, or null before the first. */
  let owner = session.getSnapshot().uuid;
  /** How often the visitor had left a session. */
  let departures = session.departures();
  let unsubscribe = (): void => undefined;
  const server = createServerList(session, api.list, get, set, () => listeners.size);
  const { load, compare, clear } = server;
  session.on("changed", followOwner); // Also without subscribers: the names of files must go.

  function drop(key: string): void {
    clearTimeout(jobs.get(key)?.timer);
    jobs.delete(key);
    filter((item) => item.key !== key);
  }

  function dropStored(id: string): void {
    server.forget(id);
    filter(isOther(id));
  }

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
    if (!get().items.length) return;
    // Also those that the page has refused, and those of the page before.
    filter((item) => "file" in item || (canRetry && !isInterrupted(item)));
    clear();
  }

  function follow(): void {
    followOwner();
    server.follow();
    const isBack = wasAway;
    wasAway = session.isAway();
    if (isBack && !wasAway) goOn();
    pump();
  }

  /** The server can be reached again: files go on, and errors that said otherwise go away. */
  function goOn(): void {
    for (const item of get().items) {
      const { key, status } = item;
      if (status === "waiting" && jobs.get(key)?.isParked) update(key, { status: "queued" });
      if ("file" in item && item.error?.isTransient) replace(key, () => itemOf(item.file, key));
    }
  }

  function pump(): void {
    followOwner();
    const limits = session.getSnapshot().session?.limits;
    if (!limits || session.isAway()) return;
    for (const item of get().items) {
      const job = jobs.get(item.key);
      if (item.status !== "queued" || !job) continue;
      const error = refusal(item, get().items, limits);
      if (error) fail(item.key, error, mayRetry(error));
      else if (running < concurrency) void send(item, job, limits.direct_upload);
    }
  }

  async function send(item: UploadItem, job: Job, isDirect: boolean): Promise<void> {
    const { key, size } = item;
    job.isDirect = isDirect;
    job.isParked = false;
    const { signal } = (job.abort = new AbortController());
    const isAborted = () => signal.aborted;
    const began = Date.now();
    // A transport may report progress after it has failed, or was aborted.
    const onProgress = (loaded: number, total: number) =>
      job.abort && !isAborted() && update(key, sending(size, loaded, total, began));
    /** Ask again: the answer was lost, so the file may be stored. */
    const failedCancelled = (error: SessionError) => {
      if (!jobs.delete(key) || isAborted()) return;
      if (!mayBeStored(error) || ++job.tries >= triesAfter(error)) return void load();
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
        filter(isOther(file.id)); // The list may have it already.
        replace(key, () => itemOf(file, key));
        session.announce();
        emit("stored", file);
      });
    } catch (error) {
      job.abort = undefined;
      if (job.isCancelled) failedCancelled(error as SessionError);
      // Else its item is already gone or changed.
      else if (!isAborted()) void failed(key, job, error as SessionError);
    }
    job.abort = undefined;
    if (!job.isCancelled) running--;
    compare();
    pump();
    release();
  }

  /** Delete a file that was stored although the visitor had cancelled it. */
  const removeCancelled = (uuid: string, id: string): Promise<void> =>
    // After a failure the visitor can see and remove it.
    api.remove(uuid, id).then(() => dropStored(id), load);

  async function failed(key: string, job: Job, error: SessionError): Promise<void> {
    // Another tab has used the quota. Show its files, so that the visitor can remove one.
    if (error.code === "quota_exceeded") void load();
    if (!mayBeStored(error)) return fail(key, error, mayRetry(error));
    update(key, { status: "waiting", error });
    const item = find(key);
    // The session's own request finds out whether it is the server, and the status line says so.
    if (mayBeAway(error)) await session.retry();
    if (find(key) !== item) return; // The visitor has done something with it.
    job.isParked = session.isAway();
    job.tries += job.isParked ? OUTAGE : 1;
    if (job.tries >= triesAfter(error)) fail(key, error, true);
    else if (!job.isParked) job.timer = later(retryDelay(error, job.tries), () => queue(key));
  }

  function queue(key: string): void {
    update(key, { status: "queued" });
    watch();
    pump();
  }

  /** Follow the session. Files that nobody looks at do not make it wait for a server. */
  function watch(): void {
    const end = [session.subscribe(follow, listeners.size > 0), session.onNews(server.read)];
    unsubscribe = () => callAll(end);
  }

  function release(): void {
    if (listeners.size) return;
    server.stop();
    if (get().items.some(isUnderWay)) watch();
    else unsubscribe();
  }

  function cancel(key: string): void {
    const [item, job] = [find(key), jobs.get(key)];
    if (!item) return;
    drop(key);
    if (job && !job.isDirect && mayHaveArrived(item)) {
      job.isCancelled = true;
      jobs.set(key, job); // Its session may still end, and abort it.
      running--;
      pump();
    } else if (job?.abort) {
      job.abort.abort();
      void load(); // It may have been stored all the same.
    }
    release();
  }

  const link = (id: string) => session.withSession(async (uuid) => (await api.link(uuid, id)).url);

  return {
    getSnapshot: get,
    getServerSnapshot: () => EMPTY,
    on,
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
     * @param check returns why the page refuses a file, or null. Called again when it is retried
     * @param signal cancels those of the files that are not stored when it is aborted
     */
    add(chosen: Iterable<File>, check?: FileCheck | null, signal?: AbortSignal): void {
      if (signal?.aborted) return;
      watch();
      void session.start(); // While the session is idle, files are dropped.
      followOwner();
      const items: UploadItem[] = [];
      for (const file of chosen) {
        const item = newItem(file, check?.(file, [...get().items, ...items]));
        items.push(item);
        if (item.status === "failed" && !item.canRetry) continue;
        jobs.set(item.key, { file, tries: 0, check });
      }
      set({ items: [...withoutOlder(get().items, items), ...items] });
      items.forEach(report);
      signal?.addEventListener("abort", () =>
        items.forEach(({ key }) => jobs.has(key) && cancel(key)),
      );
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
      const others = get().items.filter((item) => item.key !== key);
      const error = job.check?.(job.file, others);
      // Who sends a duplicate again has answered the question.
      if (error && error.code !== "duplicate") return fail(key, error, mayRetry(error));
      queue(key);
      if (session.isAway()) void session.retry();
    },
    /** Stop sending a file, or remove a refused one from the list. */
    cancel,
    /** Delete a file from the server. On failure its item has an `error`. */
    async remove(key: string): Promise<void> {
      const item = find(key);
      if (!item || !("file" in item)) return;
      const { file } = item;
      update(key, { status: "removing", file });
      try {
        await session.withSession((uuid) => api.remove(uuid, file.id));
        dropStored(file.id);
        session.announce();
        emit("removed", file);
      } catch (thrown) {
        const error = thrown as SessionError;
        update(key, { status: item.status, file, error });
        if (mayBeAway(error)) void session.retry();
      }
    },
    /** A download URL that is valid for 60 seconds. @throws SessionError */
    link,
    /** Download a file. The page stays, and is not asked about files on their way. @throws SessionError */
    download: async (id: string) => leaving.download(await link(id)),
  };
}

export type UploadStore = ReturnType<typeof createUploadStore>;
