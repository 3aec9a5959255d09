/** A page in a tab: its stores, and a witness of everything that they show. */
import type { SessionSnapshot, SessionStoreOptions } from "../../src/store/sessionState.js";
import { createSessionStore } from "../../src/store/sessionStore.js";
import type { UploadItem } from "../../src/store/uploadItems.js";
import { createUploadStore } from "../../src/store/uploadStore.js";
import type { Transport } from "../../src/api/uploadApi.js";
import { DAY } from "../helpers.js";
import type { Model, Work } from "./model.js";
import type { SharedStorage } from "./storage.js";
import type { Tab } from "./tab.js";

/** What a listener of the page throws. The stores must not care. */
export class PageError extends Error {}

export class Visit {
  readonly session;
  readonly files;
  isThrowing = false;
  private readonly ends: (() => void)[] = [];
  /** Work that waits for a session. */
  private readonly open = new Set<Work>();
  /** Work that was begun before the page showed any session, and that may still wait for one. */
  private readonly early = new Set<Work>();
  /** The session that the page has shown last, unless it has gone back to none. */
  private shown: string | null = null;
  /** Items that the server's new session has not got. The visitor has seen them since. */
  private readonly lost = new Set<string>();
  private last: SessionSnapshot;

  constructor(
    readonly tab: Tab,
    private readonly model: Model,
    private readonly storage: SharedStorage,
    options: SessionStoreOptions & { transport: Transport },
  ) {
    const { transport, ...rest } = options;
    const onSessionChanged = () => this.throwSometimes();
    this.session = tab.enter(() => createSessionStore({ ...rest, onSessionChanged }));
    this.files = tab.enter(() => createUploadStore(this.session, { transport }));
    this.last = this.now;
    this.mount();
  }

  get now(): SessionSnapshot {
    return this.session.getSnapshot();
  }

  get items() {
    return this.files.getSnapshot().items;
  }

  get isLoaded() {
    return this.files.getSnapshot().isLoaded;
  }

  get isMounted(): boolean {
    return this.ends.length > 0;
  }

  mount(): void {
    this.tab.guard(() => {
      this.ends.push(
        this.session.subscribe(() => this.throwSometimes()),
        this.session.subscribe(() => this.observe()),
        this.files.subscribe(() => this.throwSometimes()),
        this.files.subscribe(() => undefined),
      );
    });
    this.observe();
  }

  unmount(): void {
    this.tab.guard(() => this.ends.splice(0).forEach((end) => end()));
  }

  private throwSometimes(): void {
    if (this.isThrowing) throw new PageError("A listener of the page failed.");
  }

  /** Note that the visitor gives something to the session that this page shows. */
  give(text: string, isFile = false): Work {
    const work: Work = this.model.works.get(text) ?? { owners: new Set(), isSent: isFile };
    this.model.works.set(text, work);
    this.own(work);
    return work;
  }

  /** The visitor gives it again, to the session that is shown now. */
  own(work: Work): void {
    const { uuid } = this.now;
    work.tries = 0;
    if (uuid) work.owners.add(uuid);
    else this.open.add(work);
  }

  /** Called at each change that a page would show. */
  observe(): void {
    const { last, now, model } = this;
    this.last = now;
    const { uuid, session, status } = now;
    if (uuid) for (const work of this.open) work.owners.add(uuid);
    // Until the server confirms a session, it may turn out to have ended.
    if (session) {
      for (const work of this.open) this.early.add(work);
      this.open.clear();
    }
    this.passOn(now);
    if (last === now) return;
    model.note(`${this.tab.name}   ${status} ${uuid ?? ""}`);
    if (session && uuid && session.uuid !== uuid) {
      model.violate(`data of ${session.uuid} is shown as ${uuid}`);
    }
    if (last.uuid && last.uuid !== uuid) this.checkLeft(last.uuid, now);
    // A late cookie proves a session again that was "not you". The visitor has chosen it.
    const isChosen = last.uuid !== uuid && this.session.lastChange() === "adopted";
    if (isChosen && now.supportCode) model.forgotten.delete(now.supportCode);
    // Only a full storage and a refused cookie are reasons.
    if (last.persistent && !now.persistent && !this.storage.wasFull && !model.refused.size) {
      model.violate("the session is kept in memory without a reason");
    }
    const isOver = status === "reset_required" || status === "mismatch";
    if (isOver && !model.refused.has(uuid)) model.violate(`${uuid} is over without a 401`);
    if (status === "offline" && !(now.retryAt <= Date.now() + DAY)) {
      model.violate(`the next try is at ${now.retryAt}`);
    }
  }

  /**
   * An empty session that turns out to have ended is replaced without a word. What was begun before
   * there was a session, and still waits for one, goes to that next one. Files do not: they are
   * given to the first one, and fail.
   */
  private passOn({ uuid, status }: SessionSnapshot): void {
    const isSilent = this.session.lastChange() === "started" && this.model.refused.has(this.shown);
    const isOther = this.shown && uuid && uuid !== this.shown;
    if (isOther && isSilent) {
      for (const { owners, isSent } of this.early) if (!isSent) owners.add(uuid);
    } else if (isOther || status === "idle") this.early.clear();
    if (uuid || status === "idle") this.shown = uuid;
  }

  private checkLeft(uuid: string, { persistent, status }: SessionSnapshot): void {
    const { model, storage, tab } = this;
    const { refused } = model;
    const isMoved = persistent && storage.uuid !== uuid && storage.writer !== tab;
    // It is shown again, or another one, when the server has answered.
    const isAsked = status === "starting" && refused.has(null);
    if (model.mayLeave(uuid, tab) || refused.has(uuid) || isMoved || isAsked) return;
    model.violate(`${uuid} is left without a reason`);
  }

  /** Check all that the page shows. */
  check(): void {
    if (!this.isMounted) return;
    this.observe();
    const { model } = this;
    const { uuid, session, supportCode } = this.now;
    const code = model.session(uuid)?.supportCode;
    if (supportCode && code && supportCode !== code) {
      model.violate(`the support code of another session is shown in ${uuid}`);
    }
    if (session?.name && model.works.get(session.name)?.owners.has(session.uuid) === false) {
      model.violate(`${session.name} is shown in ${session.uuid}`);
    }
    for (const item of this.items) this.checkItem(item);
  }

  private checkItem(item: UploadItem): void {
    const { uuid, persistent } = this.now;
    const owners = this.model.works.get(item.name)?.owners;
    // The server has replaced an empty session. Only the visitor can give the file to the next one.
    if (item.status === "failed" && item.error.code === "session_changed") {
      const isGone = owners?.size && [...owners].every((one) => this.model.gone.has(one));
      // A page in memory does not learn that another tab has left it.
      if (isGone && persistent && !this.lost.has(item.key))
        this.model.violate(`${item.name} is kept`);
      this.lost.add(item.key);
      return;
    }
    const { tries = 0 } = this.model.works.get(item.name) ?? {};
    if (item.status === "failed" && item.error.isTransient && tries < 4) {
      this.model.violate(`${item.name} has failed after ${tries} tries`);
    }
    const owner = "file" in item ? this.model.files.get(item.file.id) : undefined;
    if (("file" in item && owner !== uuid) || (uuid && owners?.has(uuid) === false)) {
      this.model.violate(`${item.name} of ${owner} is shown in ${uuid}`);
    }
  }
}
