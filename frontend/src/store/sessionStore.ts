import { createHttp } from "../api/http.js";
import { createDataApi, createSessionApi } from "../api/sessionApi.js";
import { createLifecycle } from "./lifecycle.js";
import { createListeners } from "./listeners.js";
import { createMachine } from "./machine.js";
import { createPersistence } from "./persistence.js";
import { IDLE, type SessionSnapshot, type SessionStoreOptions } from "./sessionState.js";
import { listen } from "./tabs.js";

const SERVER: SessionSnapshot = {
  ...IDLE,
  session: null,
  supportCode: null,
  previousSupportCode: null,
  persistent: true,
};

/**
 * The session of one visitor in one page, synchronized with the server and with other tabs.
 *
 * It works only while it has subscribers. Only a 401 of the API itself ends a session; after any
 * other failure the store tries again.
 */
export function createSessionStore(options: SessionStoreOptions = {}) {
  const http = createHttp(options);
  const api = createSessionApi(http);
  const persistence = createPersistence(options);
  const listeners = createListeners(attach, detach);
  const machine = createMachine(options, persistence, listeners, http.now, () => methods.retry());
  const { interact, open, wake, update, ...methods } = createLifecycle(
    machine,
    persistence,
    api,
    http,
    options.autoStart !== "manual",
  );
  let stopListening = (): void => undefined;

  function attach(): void {
    stopListening();
    stopListening = listen(interact, wake, () => machine.isBehind() && wake());
    open();
    if (options.autoStart === "load") interact();
    machine.watch();
  }

  function detach(): void {
    machine.stop();
    stopListening();
  }

  return {
    http,

    getSnapshot: machine.snapshot,
    getServerSnapshot: () => SERVER,
    /** Why the UUID changed last, or null. Known when subscribers are called. */
    lastChange: machine.lastChange,
    /** How often the visitor has left a session, here or in another tab. */
    departures: machine.departures,
    /** @returns a function that ends the subscription */
    subscribe: listeners.subscribe,

    ...methods,
    ...createDataApi(http, methods.withSession, update),
  };
}

export type SessionStore = ReturnType<typeof createSessionStore>;
