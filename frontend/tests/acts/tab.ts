/**
 * One tab of the fake browser. Whatever enters it (a timer, an answer, an event, a lock) goes through
 * `deliver`: a frozen tab gets it when it continues, a closed one never.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { FakeStorage } from "../helpers.js";

/** The tab whose code is running. */
const current = new AsyncLocalStorage<Tab>();
export const currentTab = (): Tab | undefined => current.getStore();

/** An event target that reports what its listeners throw, and counts them. */
class Target {
  private readonly listeners = new Map<string, Set<() => void>>();

  constructor(private readonly tab: Tab) {}

  addEventListener(type: string, listener: () => void, options?: { signal: AbortSignal }): void {
    this.listeners.set(type, (this.listeners.get(type) ?? new Set()).add(listener));
    options?.signal.addEventListener("abort", () => this.removeEventListener(type, listener));
  }

  removeEventListener(type: string, listener: () => void): void {
    this.listeners.get(type)?.delete(listener);
  }

  dispatch(type: string): void {
    for (const listener of [...(this.listeners.get(type) ?? [])]) this.tab.guard(listener);
  }

  get count(): number {
    return [...this.listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

export class Tab {
  readonly window: Target & { localStorage?: unknown; sessionStorage?: unknown } = new Target(this);
  readonly document = Object.assign(new Target(this), {
    hidden: false,
    visibilityState: "visible",
  });
  readonly navigator: { locks?: unknown } = {};
  readonly errors: unknown[] = [];
  /** What the tab keeps for its next page. */
  readonly kept: FakeStorage;
  isFrozen = false;
  isClosed = false;
  private readonly inbox: (() => void)[] = [];
  private readonly closers = new Set<() => void>();

  constructor(
    readonly name: string,
    kept = new FakeStorage(),
  ) {
    this.window.sessionStorage = this.kept = kept;
  }

  enter<T>(task: () => T): T {
    return current.run(this, task);
  }

  /** Run a task as the browser does: what it throws is reported and stops nothing. */
  guard(task: () => void): void {
    try {
      this.enter(task);
    } catch (error) {
      this.errors.push(error);
    }
  }

  deliver(task: () => void): void {
    if (this.isClosed) return;
    if (this.isFrozen) this.inbox.push(task);
    else this.guard(task);
  }

  /** Settle like `work`, but only while the tab runs. */
  settle<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve) => {
      const settle = () => this.deliver(() => resolve(work));
      work.then(settle, settle);
    });
  }

  show(isVisible: boolean): void {
    this.document.hidden = !isVisible;
    this.document.visibilityState = isVisible ? "visible" : "hidden";
    this.deliver(() => this.document.dispatch("visibilitychange"));
  }

  resume(): void {
    this.isFrozen = false;
    for (const task of this.inbox.splice(0)) this.deliver(task);
  }

  /** Run a task when the tab closes. @returns a function that forgets it */
  onClose(task: () => void): () => void {
    this.closers.add(task);
    return () => this.closers.delete(task);
  }

  close(): void {
    this.isClosed = true;
    for (const task of this.closers) task();
  }
}
