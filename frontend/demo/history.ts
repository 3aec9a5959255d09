/** One line of a conversation. `page` is a notice about the session. */
export interface Line {
  who: "visitor" | "maria" | "page";
  text: string;
}

const NONE: readonly Line[] = [];
const key = (uuid: string) => `demo_conversation ${uuid}`;

/** `sessionStorage`, or null where the browser refuses it. */
export function tabStorage(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/**
 * The conversations of this tab, by session UUID. An empty UUID means no session; its lines are
 * not stored.
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

  function notify(): void {
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
        // The storage is full: the lines last until the next reload.
      }
      notify();
    },
    forget(uuid: string): void {
      conversations.delete(uuid);
      storage?.removeItem(key(uuid));
      notify();
    },
    /** @returns a function that ends the subscription. */
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export type History = ReturnType<typeof createHistory>;
