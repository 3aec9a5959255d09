/** What tabs find in their globals: their own document and window, and timers that belong to them. */
import { vi } from "vitest";
import { timeoutOver } from "../helpers.js";
import { closeChannels, TabChannel } from "./channels.js";
import { currentTab, type Tab } from "./tab.js";

const START = Date.parse("2026-03-01T12:00:00Z");

/**
 * When each timer that has not fired is due, and its tab. Over vitest's fake clock. Those that are
 * not the page's own are the browser's, which runs them for `AbortSignal.timeout`.
 */
const due = new Map<unknown, { at: number; tab: Tab | undefined; isOwn: boolean }>();
/** Called with the length of each timer that a tab starts. */
let onTimer: (milliseconds: number) => void = () => undefined;

function provideTimers(): void {
  const { setTimeout: start, clearTimeout: stop, queueMicrotask: queue } = globalThis;
  /** A frozen tab may still stop a timer that is due. */
  const live = new Set<unknown>();

  const schedule = (callback: () => void, milliseconds: number, isOwn: boolean) => {
    const tab = currentTab();
    const timer = start(() => {
      due.delete(timer);
      tab?.deliver(() => {
        if (live.delete(timer)) callback();
      });
    }, milliseconds);
    live.add(timer);
    due.set(timer, { at: Date.now() + Math.max(0, milliseconds || 0), tab, isOwn });
    return timer;
  };
  const startInTab = (callback: () => void, milliseconds = 0) => {
    onTimer(milliseconds);
    return schedule(callback, milliseconds, true);
  };
  const stopInTab = (timer: ReturnType<typeof setTimeout> | undefined) => {
    live.delete(timer);
    due.delete(timer);
    stop(timer);
  };
  const queueInTab = (task: () => void) => {
    const tab = currentTab();
    queue(() => (tab ? tab.guard(task) : task()));
  };
  Object.assign(globalThis, {
    setTimeout: startInTab,
    clearTimeout: stopInTab,
    queueMicrotask: queueInTab,
  });
  AbortSignal.timeout = timeoutOver((callback, milliseconds) =>
    schedule(callback, milliseconds, false),
  );
}

const OWN = ["document", "window", "navigator"] as const;

/** Replace the globals. @returns a function that restores them */
export function provideGlobals(): () => void {
  const { setTimeout, clearTimeout, queueMicrotask } = globalThis;
  const { BroadcastChannel } = globalThis;
  const { timeout } = AbortSignal;
  const { random } = Math;
  const before = OWN.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  provideTimers();
  Object.assign(globalThis, { BroadcastChannel: TabChannel });
  for (const name of OWN) {
    Object.defineProperty(globalThis, name, {
      get: () => currentTab()?.[name],
      configurable: true,
    });
  }
  return () => {
    OWN.forEach((name, at) => {
      const descriptor = before[at];
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    });
    vi.useRealTimers();
    Object.assign(globalThis, { setTimeout, clearTimeout, queueMicrotask, BroadcastChannel });
    AbortSignal.timeout = timeout;
    Math.random = random;
  };
}

/** Begin a new world: no timers, always at the same time. */
export function resetClock(watch: typeof onTimer): void {
  vi.clearAllTimers();
  due.clear();
  closeChannels();
  vi.setSystemTime(START);
  onTimer = watch;
}

export const timerCount = () =>
  [...due.values()].filter(({ tab, isOwn }) => isOwn && !tab?.isClosed).length;
export const elapsed = () => (Date.now() - START) / 1000;

/** Advance the clock to the next timer, at most to `end`. @returns whether there was one */
export function advance(end: number): boolean {
  const next = Math.min(...[...due.values()].map(({ at }) => at));
  vi.advanceTimersByTime(Math.max(0, Math.min(next, end) - Date.now()));
  return next <= end;
}
