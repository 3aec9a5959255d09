/** The `localStorage` that the tabs share. A change is announced to the other tabs. */
import type { KeyValueStorage } from "../../src/utils/sessionUtils.js";
import { FakeStorage } from "../helpers.js";
import type { Tab } from "./tab.js";

export class SharedStorage extends FakeStorage {
  wasFull = false;
  /** Tasks that the browser has not run yet. */
  readonly events: (() => void)[] = [];
  /** The tab that has changed the UUID last. */
  writer: Tab | undefined;

  constructor(private readonly tabs: () => readonly Tab[]) {
    super();
  }

  /** The view of one tab. */
  of(tab: Tab): KeyValueStorage {
    const change = (key: string, write: () => void) => {
      const before = this.getItem(key);
      write();
      if (this.getItem(key) === before) return;
      if (key === "session_uuid") this.writer = tab;
      this.announce(tab);
    };
    return {
      getItem: (key) => this.getItem(key),
      setItem: (key, value) => change(key, () => this.setItem(key, value)),
      removeItem: (key) => change(key, () => this.removeItem(key)),
    };
  }

  /** The page or the visitor clears it. */
  clear(by: Tab): void {
    this.values.clear();
    this.writer = undefined;
    this.announce(by);
  }

  private announce(by: Tab): void {
    for (const tab of this.tabs()) {
      if (tab === by) continue;
      this.events.push(() => tab.deliver(() => tab.window.dispatch("storage")));
    }
  }
}
