"use client";
import {
  createContext,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";
import type { Messages } from "../en.js";
import type { SessionSnapshot, SessionStoreOptions } from "../store/sessionState.js";
import { createSessionStore, type SessionStore } from "../store/sessionStore.js";
import type { createUploadStore, UploadStore, UploadStoreOptions } from "../store/uploadStore.js";

/** Class names of the components' parts, by the name of the part. */
export type ClassNames = Readonly<Record<string, string>>;

interface SessionContextValue {
  session: SessionStore;
  /** The provider's upload store. The hook passes the factory: a page without files does not load it. */
  getUploads: (create: typeof createUploadStore) => UploadStore;
  messages: Messages | undefined;
  classNames: ClassNames | undefined;
}

const SessionContext = createContext<SessionContextValue | null>(null);

export interface SessionProviderProps {
  /** Options of the session store. Read once. */
  options?: Omit<SessionStoreOptions, "onSessionChanged">;
  /** Options of the upload store. Read once. */
  uploads?: UploadStoreOptions;
  /** Called after the UUID has changed. Use it to move data stored per session, like a chat. */
  onSessionChanged?: SessionStoreOptions["onSessionChanged"];
  /** The texts of the components, such as `english` from `@maria/sessions/en`. Hooks need none. */
  messages?: Messages;
  /** Class names for the components' parts that replace `maria-…`. */
  classNames?: ClassNames;
  children?: ReactNode;
}

function createStores(options: SessionStoreOptions, uploadOptions: UploadStoreOptions | undefined) {
  const session = createSessionStore(options);
  let uploads: UploadStore | undefined;
  const getUploads: SessionContextValue["getUploads"] = (create) =>
    (uploads ??= create(session, uploadOptions));
  return { session, getUploads };
}

/** Provides one session to the components inside it. It renders nothing itself. */
export function SessionProvider(props: SessionProviderProps) {
  const { onSessionChanged, messages, classNames, children } = props;
  const latest = useRef(onSessionChanged);
  useEffect(() => {
    latest.current = onSessionChanged;
  });
  // The ref is read when the session changes, never during rendering.
  // eslint-disable-next-line react-hooks/refs
  const [stores] = useState(() =>
    createStores(
      { ...props.options, onSessionChanged: (...change) => latest.current?.(...change) },
      props.uploads,
    ),
  );
  useEffect(() => stores.session.subscribe(() => undefined), [stores]);
  return (
    <SessionContext.Provider value={{ ...stores, messages, classNames }}>
      {children}
    </SessionContext.Provider>
  );
}

/** @throws Error outside a `SessionProvider` */
export function useSessionContext(): SessionContextValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("This component must be inside a <SessionProvider>.");
  return value;
}

interface Store<Snapshot> {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Snapshot;
  getServerSnapshot(): Snapshot;
}

/** Return a store's snapshot and its methods. Renders again when the snapshot changes. */
export function useStore<S extends Store<unknown>>(store: S): S & ReturnType<S["getSnapshot"]> {
  const snapshot = useSyncExternalStore(
    store.subscribe,
    store.getSnapshot,
    store.getServerSnapshot,
  ) as ReturnType<S["getSnapshot"]>;
  return { ...store, ...(snapshot as object) } as S & ReturnType<S["getSnapshot"]>;
}

export const useSession = (): SessionSnapshot & SessionStore =>
  useStore(useSessionContext().session);
