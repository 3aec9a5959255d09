/** The name of the channel on which tabs say that a session's files have changed. */
const CHANNEL = "maria_sessions";

/**
 * Open the channel between the tabs of the browser. A browser may not have it, or refuse it.
 *
 * @param onMessage called with the UUID of the session whose files another tab has changed
 */
export function openChannel(onMessage: (uuid: unknown) => unknown): BroadcastChannel | undefined {
  try {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => onMessage(data);
    return channel;
  } catch {
    return undefined;
  }
}

/**
 * Listen to the page and to the other tabs of the browser.
 *
 * @param onInteraction called when the visitor has pressed something
 * @param onUse called when the visitor has moved the pointer
 * @param onWake called when the page became visible, was restored or focused, or is online again
 * @param onOffline called when the device is not online any more
 * @param onStorage called when another tab has changed the storage
 * @returns a function that stops listening
 */
export function listen(
  onInteraction: () => unknown,
  onUse: () => void,
  onWake: () => void,
  onOffline: () => unknown,
  onStorage: () => unknown,
) {
  const controller = new AbortController();
  // The options of a listener are an object with a signal, as a controller is.
  const on = (target: EventTarget, type: string, listener: () => unknown) =>
    target.addEventListener(type, listener, controller);
  // Not "pointerdown": if the layout moves between press and release, the click would be lost.
  on(document, "click", onInteraction);
  on(document, "keydown", onInteraction);
  on(document, "pointermove", onUse);
  on(document, "visibilitychange", onWake);
  on(window, "pageshow", onWake);
  on(window, "focus", onWake);
  on(window, "online", onWake);
  on(window, "offline", onOffline);
  on(window, "storage", onStorage);
  return () => controller.abort();
}
