/** The BroadcastChannel between the tabs. */
import { currentTab, type Tab } from "./tab.js";

const open = new Set<TabChannel>();

/** A message arrives in the other tabs, after what they do now. */
export class TabChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly tab: Tab | undefined = currentTab();

  constructor(readonly name: string) {
    open.add(this);
  }

  postMessage(data: unknown): void {
    for (const other of open) {
      const { tab, name } = other;
      if (other === this || name !== this.name || !tab) continue;
      setImmediate(() => tab.deliver(() => open.has(other) && other.onmessage?.({ data })));
    }
  }

  close(): void {
    open.delete(this);
  }
}

export const closeChannels = () => open.clear();
export const channelCount = () => [...open].filter(({ tab }) => !tab?.isClosed).length;
