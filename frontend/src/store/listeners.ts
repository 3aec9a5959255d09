/** Call all of them. One that throws interrupts neither the others nor the store. */
export function callAll(listeners: Iterable<() => void>): void {
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

/**
 * The subscribers of a store.
 *
 * @param onFirst called when somebody begins to wait for the store
 * @param onLast called when the last subscriber has left
 */
export function createListeners(onFirst: () => void, onLast: () => void) {
  const listeners = new Map<() => void, boolean>();
  const isIdle = () => ![...listeners.values()].includes(true);
  return {
    /** Whether nobody waits for the store. */
    isIdle,
    notify: () => callAll(listeners.keys()),
    /**
     * @param isWaiting false to be called like the others, without keeping the store at work
     * @returns a function that ends the subscription
     */
    subscribe(listener: () => void, isWaiting = true): () => void {
      const isFirst = isIdle() && (isWaiting || !listeners.size);
      listeners.set(listener, isWaiting);
      if (isFirst) onFirst();
      return () => {
        if (listeners.delete(listener) && !listeners.size) onLast();
      };
    },
  };
}

export type Listeners = ReturnType<typeof createListeners>;
