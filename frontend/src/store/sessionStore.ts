import { createHttp } from "../api/http.js";
import { createSessionApi, type ActivityPage, type Identity } from "../api/sessionApi.js";
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
  const { autoStart = "interaction" } = options;
  const http = createHttp(options);
  const api = createSessionApi(http);
  const persistence = createPersistence(options);
  const listeners = createListeners(attach, detach);
  const machine = createMachine(
    options,
    persistence,
    http.now,
    listeners.isIdle,
    listeners.notify,
    () => methods.retry(),
  );
  const lifecycle = createLifecycle(machine, persistence, api, http, autoStart !== "manual");
  const { interact, open, wake, update, ...methods } = lifecycle;
  const { withSession } = methods;
  let stopListening = (): void => undefined;

  function attach(): void {
    stopListening();
    stopListening = listen(interact, wake, () => machine.isBehind() && wake());
    open();
    if (autoStart === "load") interact();
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
    /** @returns a function that ends the subscription */
    subscribe: listeners.subscribe,

    ...methods,
    /** Change name, e-mail address and consents. @throws SessionError */
    identify: (identity: Identity) => update((uuid) => api.identify(uuid, identity)),
    /** Mail a six-digit code to the visitor's address. @throws SessionError */
    sendCode: () => withSession(api.sendCode),
    /** Confirm the address by the code. @throws SessionError */
    verifyCode: (code: string) => update((uuid) => api.verifyCode(uuid, code)),
    /** One page of the session's events, newest first. @throws SessionError */
    activity: (next?: string): Promise<ActivityPage> =>
      withSession((uuid) => api.activity(uuid, next)),
    /** All data of the session. @throws SessionError */
    exportData: () => withSession(api.exportData),
    /** A signed text for Maria's back end, valid for five minutes. @throws SessionError */
    assertion: () => withSession(api.assertion),
  };
}

export type SessionStore = ReturnType<typeof createSessionStore>;
