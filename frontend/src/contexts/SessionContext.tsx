"use client";
import type { ReactNode } from "react";
import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useLayoutEffect,
  useState,
  useSyncExternalStore,
} from "../react.js";
import type { Messages } from "../language.js";
import type { SessionSnapshot, SessionStoreOptions } from "../store/sessionState.js";
import type { SessionStore } from "../store/sessionStore.js";
import type { UploadStoreOptions } from "../store/uploadItems.js";
import { storesFor, type Stores } from "./keptStores.js";

/** A part of the components that has a class name. */
export type Part =
  | ("status" | "notice" | "dialog" | "code" | "button" | "primary" | "danger" | "error" | "where")
  | ("upload" | "drop" | "attach" | "camera" | "overlay" | "bar" | "count" | "summary" | "files")
  | ("file" | "icon" | "state" | "actions" | "empty" | "data" | "field" | "activity");

/** Class names that replace `maria-` and the name of the part. */
export type ClassNames = { readonly [Name in Part]?: string | undefined };

type SessionContextValue = Stores &
  Pick<SessionProviderProps, "classNames"> & { texts: Partial<Messages> };

const SessionContext = createContext<SessionContextValue | null>(null);

export interface SessionProviderProps {
  /** Options of the session store. Read once. */
  options?: Omit<SessionStoreOptions, "onSessionChanged"> | undefined;
  /** Options of the upload store. Read once. */
  uploads?: UploadStoreOptions | undefined;
  /** Called after the UUID has changed. Use it to move data stored per session, like a chat. */
  onSessionChanged?: SessionStoreOptions["onSessionChanged"];
  /** The language of the components, such as `english` from `@maria/sessions/en`. Hooks need none. */
  language?: Messages | undefined;
  /** Texts that replace some of the language's, or a whole language. */
  messages?: Partial<Messages> | undefined;
  /** Class names for the components' parts that replace `maria-…`. */
  classNames?: ClassNames | undefined;
  children?: ReactNode;
}

/** An effect before the page is painted: no visitor is faster. React 18 warns of it on a server. */
const useShown = typeof window === "object" ? useLayoutEffect : useEffect;

/** Provides one session to the components inside it. It renders nothing itself. */
export function SessionProvider(props: SessionProviderProps) {
  const { onSessionChanged } = props;
  const [stores] = useState(() => storesFor({ ...props.options, ...props.uploads }));
  useShown(
    () => onSessionChanged && stores.session.on("changed", onSessionChanged),
    [stores, onSessionChanged],
  );
  useShown(() => stores.session.subscribe(() => undefined), [stores]);
  // Not JSX: hooks without components need no JSX runtime.
  const texts = { ...props.language, ...props.messages };
  const value = { ...stores, classNames: props.classNames, texts };
  return createElement(SessionContext.Provider, { value }, props.children);
}

/** @throws Error outside a `SessionProvider` */
export function useSessionContext(): SessionContextValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("No <SessionProvider> found.");
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

/** What `useSession` returns: the state, and what can be done. */
export type UseSession = SessionSnapshot & SessionStore;

export const useSession = (): UseSession => useStore(useSessionContext().session);
