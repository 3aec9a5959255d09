import { SessionError, type Schemas } from "../api/http.js";
import { createUploadApi, xhrTransport, type Transport, type Upload } from "../api/uploadApi.js";
import { withJitter } from "../utils/sessionUtils.js";
import type { SessionStore } from "./sessionStore.js";

/** One file: on its way, refused, or with the server. `key` names it for as long as it is shown. */
export type UploadItem = { key: string; name: string; size: number } & (
  | { status: "queued" }
  /** `sent` of `size` bytes; speed in bytes and time left in seconds, once they can be told. */
  | { status: "sending"; sent: number; speed: number | null; secondsLeft: number | null }
  /** Tried in vain for now; tried again by itself. */
  | { status: "waiting"; error: SessionError }
  | { status: "failed"; error: SessionError; canRetry: boolean }
  /** With the server; `error` says why it could not be removed. */
  | { status: "stored" | "missing" | "removing"; file: Upload; error?: SessionError }
);

export interface UploadSnapshot {
  /** In the order in which they were stored or chosen. */
  items: readonly UploadItem[];
  /** Why the server's list could not be read. */
  error: SessionError | null;
}

export interface UploadStoreOptions {
  /** How many files are sent at once; two. */
  concurrency?: number;
  transport?: Transport;
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type State = Without<UploadItem, "key" | "name" | "size">;

/** What is needed to send a file, and to send it again. */
interface Job {
  file: File;
  tries: number;
  /** There while it is being sent. */
  abort?: AbortController | undefined;
}

const TRIES = 4;
const EMPTY: UploadSnapshot = { items: [], error: null };

/** What is on its way counts as much as what has arrived. */
const isHeld = ({ status }: UploadItem) => status !== "queued" && status !== "failed";

const itemOf = (file: Upload, key: string): UploadItem => ({
  key,
  name: file.name,
  size: file.size,
  status: file.status === "stored" ? "stored" : "missing",
  file,
});

/** Refusals that another session, or a file less, may undo. */
const mayPass = ({ code, status }: SessionError) =>
  status === 401 || code === "quota_exceeded" || code === "session_changed";

/** The files of a session: those the server has, and those on their way to it. */
export function createUploadStore(session: SessionStore, options: UploadStoreOptions = {}) {
  const { concurrency = 2, transport = xhrTransport } = options;
  const api = createUploadApi(session.http, transport);
  const jobs = new Map<string, Job>();
  const listeners = new Set<() => void>();
  const removed = new Set<string>();
  let snapshot = EMPTY;
  let running = 0;
  let listed: string | null = null;
  let unsubscribe: (() => void) | undefined;

  function set(next: Partial<UploadSnapshot>): void {
    snapshot = { ...snapshot, ...next };
    listeners.forEach((listener) => listener());
  }

  const find = (key: string) => snapshot.items.find((item) => item.key === key);

  function update(key: string, state: State): void {
    set({
      items: snapshot.items.map((item) =>
        item.key === key ? { key, name: item.name, size: item.size, ...state } : item,
      ),
    });
  }

  function drop(key: string): void {
    jobs.delete(key);
    set({ items: snapshot.items.filter((item) => item.key !== key) });
  }

  // What the server has --------------------------------------------------------------------------

  /** Read the server's list; what is on its way stays. */
  async function load(): Promise<void> {
    const { uuid } = session.getSnapshot();
    const before = snapshot.items;
    listed = uuid;
    if (!uuid) return;
    try {
      const uploads = await session.withSession(api.list);
      if (listed === uuid) show(uploads.reverse(), before);
    } catch (thrown) {
      if (listed === uuid) {
        listed = null; // Asked again when the session is next confirmed.
        set({ error: thrown as SessionError });
      }
    }
  }

  /** What has come or gone since the list was asked for is not in it. */
  function show(listed: Upload[], before = snapshot.items): void {
    const there = listed
      .filter(({ id }) => !removed.has(id))
      .map((file) => itemOf(file, keyOf(file)));
    const isKnown = (item: UploadItem) =>
      before.includes(item) || there.some(({ key }) => key === item.key);
    const here = snapshot.items.filter((item) => !("file" in item) || !isKnown(item));
    set({ items: [...there, ...here], error: null });
  }

  /** A file keeps the key under which it was chosen. */
  const keyOf = ({ id }: Upload) =>
    snapshot.items.find((item) => "file" in item && item.file.id === id)?.key ?? id;

  /** As the session becomes another or is confirmed, its files do. */
  function follow(): void {
    const now = session.getSnapshot();
    const uuid = now.status === "reset_required" ? null : now.uuid;
    if (uuid !== listed) {
      if (listed) show([]);
      listed = null;
      if (uuid && now.session) void load();
    }
    pump();
  }

  // What is on its way ---------------------------------------------------------------------------

  /** Why a file need not be sent, by the limits that the server has told. */
  function refusal(item: UploadItem, limits: Schemas["Limits"]): SessionError | null {
    const held = snapshot.items.filter(isHeld);
    const bytes = held.reduce((sum, { size }) => sum + size, item.size);
    const extension = item.name.slice(item.name.lastIndexOf(".") + 1).toLowerCase();
    const code =
      (!limits.types.includes(extension) && "type_not_allowed") ||
      (!item.size && "file_empty") ||
      (item.size > limits.max_file_bytes && "file_too_large") ||
      ((held.length >= limits.max_files || bytes > limits.max_total_bytes) && "quota_exceeded");
    return code ? new SessionError(code, 0, { ...limits }) : null;
  }

  function pump(): void {
    const limits = session.getSnapshot().session?.limits;
    if (!limits) return;
    for (const item of snapshot.items) {
      const job = jobs.get(item.key);
      if (item.status !== "queued" || !job) continue;
      const error = refusal(item, limits);
      if (error) fail(item.key, error, mayPass(error));
      else if (running < concurrency) void send(item, job, limits.direct_upload);
    }
  }

  const fail = (key: string, error: SessionError, canRetry: boolean) =>
    update(key, { status: "failed", error, canRetry });

  async function send({ key, size }: UploadItem, job: Job, isDirect: boolean): Promise<void> {
    const { signal } = (job.abort = new AbortController());
    const began = Date.now();
    const onProgress = (loaded: number, total: number) => {
      const sent = total && Math.round((size * loaded) / total);
      const seconds = (Date.now() - began) / 1000;
      const speed = seconds > 0.5 && sent ? sent / seconds : null;
      const secondsLeft = speed && (size - sent) / speed;
      update(key, { status: "sending", sent, speed, secondsLeft });
    };
    running++;
    onProgress(0, 0);
    try {
      await session.withSession(async (uuid) => {
        const file = await api.send(uuid, { file: job.file, key, isDirect, signal, onProgress });
        // Another tab may have started anew meanwhile: the file lies in the session before.
        if (session.getSnapshot().uuid !== uuid) throw new SessionError("session_changed");
        jobs.delete(key);
        set({ items: snapshot.items.map((item) => (item.key === key ? itemOf(file, key) : item)) });
      });
    } catch (error) {
      failed(key, job, error as SessionError);
    }
    job.abort = undefined;
    running--;
    pump();
  }

  function failed(key: string, job: Job, error: SessionError): void {
    // Another tab has taken the room: what is there can be removed only if it is seen.
    if (error.code === "quota_exceeded") void load();
    const again = error.isTransient || error.code === "upload_in_progress";
    if (!again || ++job.tries >= TRIES) return fail(key, error, again || mayPass(error));
    update(key, { status: "waiting", error });
    setTimeout(
      () => find(key)?.status === "waiting" && queue(key),
      withJitter(1000 * (error.retryAfter || 2 ** job.tries)),
    );
  }

  function queue(key: string): void {
    update(key, { status: "queued" });
    pump();
  }

  return {
    getSnapshot: () => snapshot,
    getServerSnapshot: () => EMPTY,
    /** @returns what ends the subscription. Uploads under way go on without any. */
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      unsubscribe ??= session.subscribe(follow);
      follow();
      return () => {
        listeners.delete(listener);
        if (!listeners.size) unsubscribe = unsubscribe?.() ?? undefined;
      };
    },

    /** Read the server's list again; never rejects. */
    load,
    /** Check files and send them, beginning a session if there is none. */
    add(chosen: Iterable<File>): void {
      const items = [...chosen].map((file): UploadItem => {
        const key = `${Math.random()}`;
        jobs.set(key, { file, tries: 0 });
        return { key, name: file.name, size: file.size, status: "queued" };
      });
      set({ items: [...snapshot.items, ...items] });
      void session.start();
      pump();
    },
    /** Send a file again that has failed or waits; it is stored once, however often it is sent. */
    retry(key: string): void {
      const job = jobs.get(key);
      if (!job || job.abort) return;
      job.tries = 0;
      queue(key);
    },
    /** Stop sending a file, or put away one that was refused. */
    cancel(key: string): void {
      const abort = jobs.get(key)?.abort;
      drop(key);
      abort?.abort();
      if (abort) void load(); // It may have arrived whole a moment before.
    },
    /** Delete a file from the server; if that fails its item says why. */
    async remove(key: string): Promise<void> {
      const item = find(key);
      if (!item || !("file" in item)) return;
      const { file } = item;
      update(key, { status: "removing", file });
      try {
        await session.withSession((uuid) => api.remove(uuid, file.id));
        removed.add(file.id);
        drop(key);
      } catch (thrown) {
        update(key, { status: item.status, file, error: thrown as SessionError });
      }
    },
    /** An address at which a stored file can be fetched for 60 seconds. @throws SessionError */
    link: (id: string) => session.withSession(async (uuid) => (await api.link(uuid, id)).url),
  };
}

export type UploadStore = ReturnType<typeof createUploadStore>;
