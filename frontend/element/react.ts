/**
 * The part of React that the components use, from preact. `preact/compat` has more than that: its
 * events and its old APIs take 2 kB.
 */
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

export { createContext, createElement } from "preact";
export {
  useCallback,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "preact/hooks";

export function useSyncExternalStore<T>(
  subscribe: (listener: () => void) => () => void,
  getSnapshot: () => T,
): T {
  const shown = getSnapshot();
  const [, render] = useReducer((renders: number) => renders + 1, 0);
  const latestRef = useRef({ shown, getSnapshot });
  const check = () => {
    if (latestRef.current.getSnapshot() !== latestRef.current.shown) render(undefined);
  };
  useLayoutEffect(() => {
    latestRef.current = { shown, getSnapshot };
    check(); // It may have changed since it was read.
  });
  useLayoutEffect(() => subscribe(check), [subscribe]);
  return shown;
}
