/** Call all of them. One that throws interrupts neither the others nor the store. */
export function callAll(listeners: Iterable<() => unknown>): void {
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
 * Functions that are called for a named event.
 *
 * @template Events the arguments for each name
 */
export function createEvents<Events extends Record<keyof Events, unknown[]>>() {
  const entries = new Set<readonly [keyof Events, (details: unknown) => void]>();
  return {
    /** Call a function at each event of this name. @returns a function that ends that */
    on<Name extends keyof Events>(
      name: Name,
      handler: (...details: Events[Name]) => void,
    ): () => void {
      const call = (details: unknown) => handler(...(details as Events[Name]));
      const entry = [name, call] as const;
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    /** In a microtask, when the store has done its work. */
    emit: <Name extends keyof Events>(name: Name, ...details: Events[Name]) =>
      queueMicrotask(() =>
        callAll(
          [...entries].map(
            ([wanted, call]) =>
              () =>
                wanted === name && call(details),
          ),
        ),
      ),
  };
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
