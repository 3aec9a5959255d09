/** Call listeners of the page. What one throws is reported as uncaught, and stops nothing. */
export function notify(listeners: Iterable<() => void>): void {
  for (const listener of listeners) {
    try {
      listener();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** The subscribers of a store. `onFirst` runs when the first one comes, `onLast` when the last leaves. */
export function createListeners(onFirst: () => void, onLast: () => void) {
  const listeners = new Set<() => void>();
  return {
    isEmpty: () => !listeners.size,
    notify: () => notify(listeners),
    /** @returns a function that ends the subscription */
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      if (listeners.size === 1) onFirst();
      return () => {
        if (listeners.delete(listener) && !listeners.size) onLast();
      };
    },
  };
}
