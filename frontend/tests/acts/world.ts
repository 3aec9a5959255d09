/** A visitor's browser with several tabs, the network and the server. */
import { expect } from "vitest";
import { SessionError } from "../../src/api/http.js";
import { isUnderWay } from "../../src/store/uploadItems.js";
import { createFakeServer, type FakeSession } from "../../src/testing/index.js";
import type { CredentialStore } from "../../src/utils/sessionUtils.js";
import { FakeLocks, HOUR, MINUTE, SECOND } from "../helpers.js";
import { channelCount } from "./channels.js";
import { advance, resetClock, timerCount } from "./globals.js";
import { locksOf, type LockMode } from "./locks.js";
import { Model } from "./model.js";
import { Network, NORMAL, type Fate, type Sent } from "./network.js";
import * as promises from "./promises.js";
import { SharedStorage } from "./storage.js";
import { Tab } from "./tab.js";
import { PageError, Visit } from "./visit.js";

/** What differs between browsers and pages. */
export interface Setting {
  tabs: number;
  locks: LockMode;
  /** The proof of the session: a cookie, or a token in a keychain that tabs share. */
  proof: "cookie" | "keychain";
  autoStart: "interaction" | "load" | "manual";
  isDirect: boolean;
  random: number;
}

/** Turns of the event loop without anything new, after which nothing is pending. */
const QUIET = 4;
const MANY_TURNS = 2000;
const MANY_TIMERS = 30_000;
/** What a server may ask for is limited to an hour. */
const LONGEST_WAIT = HOUR + 5 * MINUTE;
/** Milliseconds until an unused session expires. The longest wait of the acts is longer. */
const LIFETIME = 50 * MINUTE;
/** Requests that one store may send in a minute without the visitor. */
const REQUESTS_PER_MINUTE = 30;
/** News let a page read the session, and the list of files if it is too long for the answer. */
const REQUESTS_AFTER_NEWS = 2;

/** A page that is not used asks so often whether anything has changed. */
const QUESTIONS_EVERY = 50 * SECOND;
/** Those of a page that was used a moment ago. */
const QUESTIONS_AFTER_USE = 35;

/** Random numbers that are the same again for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether the page asks the visitor what becomes of the session. */
const isOpen = ({ now: { status } }: Visit) => status === "reset_required" || status === "mismatch";

/** What a tab keeps for its next page. */
const unsentOf = ({ kept }: Tab) =>
  JSON.parse(kept.getItem("session_unsent") ?? "{}") as {
    uuid?: string;
    files?: { name: string }[];
  };

export class World {
  readonly server;
  readonly model;
  readonly network;
  readonly storage = new SharedStorage(() => this.tabs);
  readonly visits: Visit[] = [];
  /** Names of the promises that have not settled. */
  readonly pending = new Set<string>();
  /** How the keychain behaves. */
  keychain: "works" | "hangs" | "fails" = "works";
  /** The same visitor's session on another device. */
  elsewhere!: FakeSession;
  private readonly locks = new FakeLocks();
  private readonly every: Visit[] = [];
  private token: string | null = null;
  private count = 0;

  constructor(readonly setting: Setting) {
    Math.random = seeded(setting.random);
    this.server = createFakeServer({
      lifetime: LIFETIME,
      limits: { max_files: 4, direct_upload: setting.isDirect },
      pageSize: 2,
    });
    this.model = new Model(this.server);
    resetClock(this.model.onTimer);
    this.network = new Network(this.server, this.witness());
    const rejected = (error: unknown) => this.model.violate(`a rejection: ${String(error)}`);
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", rejected);
  }

  private witness() {
    const { model } = this;
    return {
      onRequest: (sent: Sent) => {
        for (const visit of this.every) visit.observe();
        model.onRequest(sent);
      },
      onAnswer: model.onAnswer.bind(model),
      onOvertaken: (cookie: string | null) => model.overtake(this.sessionOf(cookie)),
      onExecuted: model.onExecuted.bind(model),
    };
  }

  async open(): Promise<void> {
    const other = this.server.browser();
    await other.fetch("/api/v1/sessions/", { method: "POST" });
    this.elsewhere = this.server.session();
    for (let at = 0; at < this.setting.tabs; at++) this.visits.push(this.openTab(`tab ${at + 1}`));
    await this.calm();
  }

  private get tabs(): Tab[] {
    return [...new Set(this.every.map(({ tab }) => tab))];
  }

  private openTab(name: string, before?: Tab): Visit {
    const tab = new Tab(name, before?.kept);
    tab.navigator.locks = locksOf(tab, this.setting.locks, this.locks);
    tab.window.localStorage = this.storage.of(tab);
    return this.openPage(tab);
  }

  private openPage(tab: Tab): Visit {
    const { autoStart, proof } = this.setting;
    const { fetch, transport } = this.network;
    const options = { autoStart, fetch, transport };
    const visit = new Visit(tab, this.model, this.storage, {
      ...options,
      ...(proof === "keychain" && { credentialStore: this.credentials() }),
    });
    this.every.push(visit);
    return visit;
  }

  private credentials(): CredentialStore {
    const unlocked = async <T>(action: () => T): Promise<T> => {
      if (this.keychain === "hangs") return new Promise(() => undefined);
      if (this.keychain === "fails") throw new Error("The keychain is locked.");
      return action();
    };
    return {
      get: () => unlocked(() => this.token),
      set: (token) =>
        unlocked(() => {
          const [next, proven] = [this.sessionOf(token), this.proven];
          if (next && next !== (proven ?? this.sessionOf(this.token))) this.model.overtake(next);
          this.token = token;
        }),
    };
  }

  /** The page is left and opened again. */
  reload(visit: Visit): Visit {
    visit.unmount();
    visit.tab.close();
    const next = this.openTab(visit.tab.name, visit.tab);
    this.visits[this.visits.indexOf(visit)] = next;
    return next;
  }

  clearStorage(by: Tab): void {
    this.model.left.add(this.storage.uuid);
    this.storage.clear(by);
  }

  /** After `skipped` requests the next one has this fate. */
  setFate(fate: Fate, skipped: number): void {
    this.model.note(`a request: ${fate.name}`);
    this.network.fates.push(...Array.from({ length: skipped }, () => NORMAL), fate);
  }

  forgetProof(): void {
    this.network.cookie = null;
    this.token = null;
  }

  /** The session that this browser proves, if it is usable. */
  get proven(): FakeSession | undefined {
    const token = this.setting.proof === "keychain" ? this.token : this.network.cookie;
    const session = this.sessionOf(token);
    const isUsable = session?.status === "active" && session.expiresAt > Date.now();
    return isUsable ? session : undefined;
  }

  private sessionOf(token: string | null): FakeSession | undefined {
    return this.server.sessions.find(({ tokens }) => (tokens.get(token ?? "") ?? 0) > Date.now());
  }

  unique(start: string): string {
    return `${start}${++this.count}`;
  }

  /** Follow a promise of a store. `then` checks that it did what it says. */
  follow<T>(visit: Visit, name: string, begin: () => Promise<T>, then?: (value: T) => void): void {
    const { tab } = visit;
    const id = `${this.unique(name)}() of ${tab.name}`;
    this.model.note(`${tab.name} • ${name}`);
    this.pending.add(id);
    tab.onClose(() => this.pending.delete(id));
    tab.enter(() => {
      begin()
        .then(
          (value) => {
            this.model.note(`${tab.name} ✓ ${id}`);
            then?.(value);
          },
          (error: unknown) => {
            this.model.note(`${tab.name} ✗ ${id}: ${String(error)}`);
            if (!(error instanceof SessionError)) this.model.violate(`${id}: ${String(error)}`);
          },
        )
        .catch((error: unknown) => this.model.violate(`${id}: ${String(error)}`))
        .finally(() => this.pending.delete(id));
    });
  }

  /** Let the tabs and the browser do what is pending, except for timers. */
  async calm(): Promise<void> {
    let turns = 0;
    for (let quiet = 0; quiet < QUIET; quiet++) {
      const before = this.model.log.length;
      for (const event of this.storage.events.splice(0)) event();
      await new Promise((resolve) => setImmediate(resolve));
      this.check();
      if (this.model.log.length > before || this.storage.events.length) quiet = 0;
      if (++turns > MANY_TURNS) this.model.violate("it does not come to rest");
    }
  }

  async pass(milliseconds: number): Promise<void> {
    await this.calm();
    const end = Date.now() + milliseconds;
    const sent = () => this.model.requests + this.model.questions;
    const before = sent();
    for (let timers = 0; advance(end); timers++) {
      await this.calm();
      if (timers > MANY_TIMERS) this.model.violate("timers without an end");
      const minutes = 1 + milliseconds / MINUTE;
      if (sent() - before > REQUESTS_PER_MINUTE * minutes * this.every.length) {
        this.model.violate("too many requests without a reason");
        this.check();
      }
    }
    await this.calm();
  }

  /** @throws AssertionError if something is not as it must be */
  check(): void {
    for (const visit of this.every) {
      if (!visit.tab.isFrozen && !visit.tab.isClosed) visit.check();
      for (const error of visit.tab.errors.splice(0)) {
        if (!(error instanceof PageError)) this.model.violate(`uncaught: ${String(error)}`);
      }
    }
    const stored = [...this.storage.values.values()].join(" ");
    for (const code of this.model.forgotten) {
      if (stored.includes(code)) this.model.violate(`the code ${code} is still stored`);
    }
    for (const tab of this.tabs) this.checkKept(tab);
    const { violations, log } = this.model;
    if (violations.length) expect.fail(`${violations.join("\n")}\n\n${log.join("\n")}`);
  }

  /** Names of unsent files are kept under a session that may have them. */
  private checkKept(tab: Tab): void {
    const { uuid, files } = unsentOf(tab);
    for (const { name } of files ?? []) {
      const owners = this.model.works.get(name)?.owners;
      if (uuid && owners?.has(uuid) === false) this.model.violate(`${name} is kept under ${uuid}`);
    }
  }

  /** Everything works again. Then all tabs agree, nothing waits, and it is quiet. */
  async settle(): Promise<void> {
    const { model, network, visits } = this;
    model.note("— everything works again");
    network.heal();
    this.keychain = "works";
    this.storage.full = false;
    for (const visit of this.every) {
      visit.isThrowing = false;
      if (!visit.tab.isClosed) visit.tab.resume();
    }
    for (const visit of visits) {
      if (!visit.isMounted) visit.mount();
      visit.tab.show(true);
    }
    await this.pass(5 * MINUTE);
    // A cancelled file may have arrived: it is sent again to find out.
    const isUnknown = this.every.some(({ items }) => items.some(isUnderWay));
    if (isUnknown || model.cancelled.size) await this.pass(LONGEST_WAIT);
    for (const visit of visits) {
      if (visit.now.status !== "idle") this.follow(visit, "retry", () => visit.session.retry());
    }
    await this.pass(5 * MINUTE);
    this.checkAgreement();
    await this.decide();
    await this.checkQuiet();
    await this.checkUnmounted();
  }

  /** The visitor answers each question about a session that has ended. Then all tabs agree. */
  private async decide(): Promise<void> {
    for (const visit of this.visits) {
      if (!isOpen(visit)) continue;
      const continued = visit.now.status === "mismatch" && this.proven;
      if (continued) promises.proceed(this, visit);
      else promises.reset(this, visit, "requested");
      await this.pass(MINUTE);
      if (isOpen(visit)) this.model.violate(`${visit.tab.name} is ${visit.now.status} for good`);
    }
    this.checkAgreement();
  }

  private checkAgreement(): void {
    const { model, visits } = this;
    for (const promise of this.pending) model.violate(`${promise} has not settled`);
    for (const visit of visits) {
      const { tab, now, items } = visit;
      const { status, uuid, session, persistent } = now;
      if (["starting", "offline", "failed"].includes(status)) {
        model.violate(`${tab.name} is ${status} for good`);
      }
      if (persistent && uuid !== this.storage.uuid) {
        model.violate(`${tab.name} shows ${uuid}, but ${this.storage.uuid} is stored`);
      }
      const isUsable = status === "ready" || status === "expiring";
      if (isUsable && !session) model.violate(`${tab.name} does not know ${uuid}`);
      const isProven = this.proven?.uuid === uuid;
      if (isUsable && persistent && !isProven) {
        model.violate(`${tab.name} shows ${uuid}, but ${this.proven?.uuid} is proven`);
      }
      // A queued file waits until the visitor has decided what becomes of the session.
      for (const item of items) {
        const isWaiting = isUnderWay(item) && !(isOpen(visit) && item.status === "queued");
        if (isWaiting || item.status === "removing") {
          model.violate(`${item.name} is ${item.status} for good in ${tab.name}`);
        }
      }
    }
    this.checkCancelled();
    this.checkFiles();
    this.checkUnsent();
    this.check();
  }

  /** What a tab keeps of unsent files belongs to the session that it shows. */
  private checkUnsent(): void {
    for (const { tab, now } of this.visits) {
      const { uuid } = unsentOf(tab);
      if (uuid && uuid !== now.uuid)
        this.model.violate(`${tab.name} keeps unsent files of ${uuid}`);
    }
  }

  /** Each page shows the files that its session has, also those that support has added. */
  private checkFiles(): void {
    for (const { tab, now, items, isLoaded } of this.visits) {
      if (now.status !== "ready" || !isLoaded) continue;
      const there = this.model.session(now.uuid)?.files.map(({ upload }) => upload.id) ?? [];
      const here = items.flatMap((item) => ("file" in item ? [item.file.id] : []));
      if (there.sort().join() !== here.sort().join()) {
        this.model.violate(`${tab.name} shows ${here.length} files, there are ${there.length}`);
      }
    }
  }

  /** A file that had arrived when it was cancelled is deleted, or else the visitor sees it. */
  private checkCancelled(): void {
    for (const { now, items, isLoaded } of this.visits) {
      if (now.status !== "ready" || !isLoaded) continue;
      for (const { upload } of this.model.session(now.uuid)?.files ?? []) {
        const isShown = items.some((item) => "file" in item && item.file.id === upload.id);
        if (this.model.cancelled.get(upload.name) && !isShown) {
          this.model.violate(`the cancelled ${upload.name} is stored, but not shown`);
        }
      }
    }
  }

  private async checkQuiet(): Promise<void> {
    const { requests, questions, news } = this.model;
    await this.pass(LIFETIME / 2);
    // A page that may not ask for a while hears of its last change late, but once.
    const heard = this.model.news - news;
    if (heard > this.visits.length) this.model.violate("news though nothing changes");
    if (this.model.requests - requests > heard * REQUESTS_AFTER_NEWS) {
      this.model.violate("requests without a reason");
    }
    const most = this.visits.length * (LIFETIME / 2 / QUESTIONS_EVERY + QUESTIONS_AFTER_USE);
    if (this.model.questions - questions > most) this.model.violate("too many questions");
    this.check();
  }

  private async checkUnmounted(): Promise<void> {
    const { model, tabs } = this;
    const before = model.requests + model.questions;
    for (const visit of this.every) visit.unmount();
    await this.calm();
    if (timerCount()) model.violate(`${timerCount()} timers run after everything is unmounted`);
    await this.pass(25 * HOUR);
    const after = model.requests + model.questions;
    if (after > before) model.violate("requests after everything is unmounted");
    // A queued file still waits for its session.
    const waiting = this.every.filter(({ items }) => items.some(isUnderWay)).map(({ tab }) => tab);
    const open = tabs.filter((tab) => !tab.isClosed && !waiting.includes(tab));
    const listeners = open.reduce(
      (sum, { window, document }) => sum + window.count + document.count,
      0,
    );
    if (listeners) model.violate(`${listeners} listeners remain after everything is unmounted`);
    if (!waiting.length && channelCount()) model.violate("a channel is open after everything");
    const { held } = await this.locks.query();
    if (held.length) model.violate("a lock is held after everything is unmounted");
    this.check();
  }

  close(): void {
    for (const tab of this.tabs) tab.close();
  }
}
