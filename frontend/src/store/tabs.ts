/**
 * Listen to the page and to the other tabs of the browser.
 *
 * @param onWake called when the page became visible, was restored, or is online again
 * @param onStorage called when another tab has changed the storage
 * @returns a function that stops listening
 */
export function listen(onInteraction: () => void, onWake: () => void, onStorage: () => void) {
  const controller = new AbortController();
  // The options of a listener are an object with a signal, as a controller is.
  const on = (target: EventTarget, type: string, listener: () => void) =>
    target.addEventListener(type, listener, controller);
  // Not "pointerdown": if the layout moves between press and release, the click would be lost.
  on(document, "click", onInteraction);
  on(document, "keydown", onInteraction);
  on(document, "visibilitychange", onWake);
  on(window, "pageshow", onWake);
  on(window, "online", onWake);
  on(window, "storage", onStorage);
  return () => controller.abort();
}
