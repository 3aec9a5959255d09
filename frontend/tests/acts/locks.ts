/** Web Locks as the tabs see them: shared, missing (plain HTTP), or refused (some web views). */
import { FakeLocks } from "../helpers.js";
import type { Tab } from "./tab.js";

export type LockMode = "shared" | "missing" | "refused";

type Task = () => Promise<unknown>;

const refuse = () => Promise.reject(new DOMException("Refused.", "SecurityError"));

/** The locks of one tab. */
export function locksOf(tab: Tab, mode: LockMode, shared: FakeLocks): unknown {
  if (mode === "missing") return undefined;
  if (mode === "refused") return { query: refuse, request: refuse };
  return {
    query: () => tab.settle(shared.query()),
    request: (name: string, options: LockOptions, task: Task) =>
      tab.settle(shared.request(name, options, () => hold(tab, task))),
  };
}

/** The lock is held until the task of the tab ends, or the tab is closed. */
function hold(tab: Tab, task: Task): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (tab.isClosed) return resolve(undefined);
    const forget = tab.onClose(() => resolve(undefined));
    tab.deliver(() => void task().then(resolve, reject).finally(forget));
  });
}
