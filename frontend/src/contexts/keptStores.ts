import type { SessionStoreOptions } from "../store/sessionState.js";
import { createSessionStore } from "../store/sessionStore.js";
import type { UploadStoreOptions } from "../store/uploadItems.js";

type Options = SessionStoreOptions & UploadStoreOptions;

/** The stores of the latest four options, newest first. Older options never come again. */
let kept: Stores[] = [];

const createStores = (options: Options) => ({ options, session: createSessionStore(options) });

export type Stores = ReturnType<typeof createStores>;

const areSame = (a: Options, b: Options) =>
  (Object.keys({ ...a, ...b }) as (keyof Options)[]).every((name) => a[name] === b[name]);

/**
 * The stores for these options. They outlive their provider, so that one that is mounted again
 * still shows the files on their way.
 */
export function storesFor(options: Options): Stores {
  const found = kept.find((stores) => areSame(stores.options, options));
  const stores = found ?? createStores(options);
  // On a server, visitors must not share them.
  if (!found && typeof window === "object") kept = [stores, ...kept.slice(0, 3)];
  return stores;
}
