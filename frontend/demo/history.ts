/** One line of a conversation; `page` tells what became of the session. */
export interface Line {
  who: "visitor" | "maria" | "page";
  text: string;
}

const NONE: readonly Line[] = [];
const key = (uuid: string) => `demo_conversation ${uuid}`;

/** What this tab remembers beyond a reload, where the browser allows it. */
export function tabStorage(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/**
 * The conversations of this tab, each under its session's UUID: another session is another
 * conversation. An empty UUID stands for no session; its lines are not kept.
 */
export function createHistory(storage: Storage | null = tabStorage()) {
  const conversations = new Map<string, readonly Line[]>();
  const listeners = new Set<() => void>();

  const read = (uuid: string): readonly Line[] => {
    const known = conversations.get(uuid);
    if (known) return known;
    const stored = storage?.getItem(key(uuid));
    const lines = stored ? (JSON.parse(stored) as Line[]) : NONE;
    conversations.set(uuid, lines);
    return lines;
  };

  function tell(): void {
    listeners.forEach((listener) => listener());
  }

  return {
    /** The lines of a session's conversation, oldest first; the same array until it changes. */
    read,
    add(uuid: string, ...lines: Line[]): void {
      const all = [...read(uuid), ...lines];
      conversations.set(uuid, all);
      try {
        if (uuid) storage?.setItem(key(uuid), JSON.stringify(all));
      } catch {
        // The storage is full: then until the next reload.
      }
      tell();
    },
    forget(uuid: string): void {
      conversations.delete(uuid);
      storage?.removeItem(key(uuid));
      tell();
    },
    /** @returns what ends the subscription. */
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export type History = ReturnType<typeof createHistory>;
