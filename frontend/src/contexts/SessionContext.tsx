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
import {
  createSessionStore,
  type SessionSnapshot,
  type SessionStore,
  type SessionStoreOptions,
} from "../store/sessionStore.js";
import type { UploadStoreOptions } from "../store/uploadStore.js";

/** Class names of the components' parts, by the name of the part. */
export type ClassNames = Readonly<Record<string, string>>;

interface SessionContextValue {
  session: SessionStore;
  uploads: UploadStoreOptions | undefined;
  messages: Messages | undefined;
  classNames: ClassNames | undefined;
}

const SessionContext = createContext<SessionContextValue | null>(null);

export interface SessionProviderProps {
  /** How the session is kept; read once. */
  options?: Omit<SessionStoreOptions, "onSessionChanged">;
  /** How files are sent; read once. */
  uploads?: UploadStoreOptions;
  /** Called after the UUID has changed, for what the page keeps under it, like a chat history. */
  onSessionChanged?: SessionStoreOptions["onSessionChanged"];
  /** The words of the components, like `english` of `@maria/sessions/en`; hooks need none. */
  messages?: Messages;
  /** Class names of your own for the components' parts, instead of `maria-…`. */
  classNames?: ClassNames;
  children?: ReactNode;
}

/** Keeps one session for everything below it. Renders nothing of its own; always idle on a server. */
export function SessionProvider(props: SessionProviderProps) {
  const { onSessionChanged, uploads, messages, classNames, children } = props;
  const latest = useRef(onSessionChanged);
  useEffect(() => {
    latest.current = onSessionChanged;
  });
  // The callback is read when a change happens, never while rendering.
  // eslint-disable-next-line react-hooks/refs
  const [session] = useState(() =>
    createSessionStore({
      ...props.options,
      onSessionChanged: (...change) => latest.current?.(...change),
    }),
  );
  useEffect(() => session.subscribe(() => undefined), [session]);
  return (
    <SessionContext.Provider value={{ session, uploads, messages, classNames }}>
      {children}
    </SessionContext.Provider>
  );
}

/** What the provider above holds. @throws Error without one. */
export function useSessionContext(): SessionContextValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("There is no <SessionProvider> above this component.");
  return value;
}

interface Store<Snapshot> {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Snapshot;
  getServerSnapshot(): Snapshot;
}

/** A store's snapshot and its methods in one object; renders again whenever the snapshot changes. */
export function useStore<S extends Store<unknown>>(store: S): S & ReturnType<S["getSnapshot"]> {
  const snapshot = useSyncExternalStore(
    store.subscribe,
    store.getSnapshot,
    store.getServerSnapshot,
  ) as ReturnType<S["getSnapshot"]>;
  return { ...store, ...(snapshot as object) } as S & ReturnType<S["getSnapshot"]>;
}

/** The session's state, and everything that can be done with it. */
export const useSession = (): SessionSnapshot & SessionStore =>
  useStore(useSessionContext().session);
