import { createHttp, mayBeAway, type Http } from "../api/http.js";
import { createDataApi, createSessionApi } from "../api/sessionApi.js";
import { createLifecycle } from "./lifecycle.js";
import { callAll, createEvents, createListeners } from "./listeners.js";
import { createMachine } from "./machine.js";
import { createNews, type News } from "./news.js";
import { createPersistence } from "./persistence.js";
import {
  IDLE,
  type SessionEvents,
  type SessionSnapshot,
  type SessionStoreOptions,
} from "./sessionState.js";
import { listen, openChannel } from "./tabs.js";

const SERVER: SessionSnapshot = {
  ...IDLE,
  session: null,
  supportCode: null,
  previousSupportCode: null,
  persistent: true,
};

/** The development build sets `inspect`, which warns of what usually is a wrong setting. */
export const development: { inspect?: (http: Http, now: SessionSnapshot) => void } = {};

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
  const { on, emit } = createEvents<SessionEvents>();
  if (options.onSessionChanged) on("changed", options.onSessionChanged);
  let onChange = (): void => undefined;
  const notify = () => (listeners.notify(), onChange());
  const machine = createMachine(
    options,
    persistence,
    { ...listeners, notify },
    http.now,
    (...change) => emit("changed", ...change),
    () => methods.retry(),
  );
  const readers = new Set<(news: News) => void>();
  const deliver = (news: News) => callAll([...readers].map((reader) => () => reader(news)));
  const { interact, open, wake, update, ...methods } = createLifecycle(
    machine,
    persistence,
    api,
    http,
    options.autoStart !== "manual",
  );
  const { live: isLive = true } = options;
  const mayAsk = () => isLive && !listeners.isIdle();
  const news = createNews(machine, api, mayAsk, methods.retry, deliver);
  onChange = () => (news.follow(), development.inspect?.(http, machine.snapshot()));
  let channel: BroadcastChannel | undefined;
  let stopListening = (): void => undefined;

  function onWake(): void {
    wake();
    news.follow(); // A hidden page asks nothing.
    news.ask();
  }

  function attach(): void {
    stopListening();
    channel?.close();
    // A hidden page asks when it is shown.
    const onMessage = (uuid: unknown) =>
      uuid === machine.snapshot().uuid && !document.hidden && deliver(undefined);
    if (isLive) channel = openChannel(onMessage);
    const onInteraction = () => (interact(), news.use());
    const onOffline = () => machine.snapshot().uuid && void methods.retry();
    const onStorage = () => machine.isBehind() && wake();
    stopListening = listen(onInteraction, news.use, onWake, onOffline, onStorage);
    news.use();
    open();
    news.follow();
    if (options.autoStart === "load") interact();
    machine.watch();
  }

  function detach(): void {
    machine.stop();
    news.stop();
    stopListening();
    channel?.close();
    channel = undefined; // A closed one refuses what is announced late.
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
    on,
    /** Whether the server cannot be reached, and is asked again until it can. */
    isAway(): boolean {
      const now = machine.snapshot();
      return now.status === "offline" && mayBeAway(now.error) && !listeners.isIdle();
    },

    /** Call a function when the files may have changed. @returns a function that ends that */
    onNews(reader: (news: News) => void): () => void {
      readers.add(reader);
      return () => void readers.delete(reader);
    },
    /** Say to the other tabs that the files of the session have changed. */
    announce: () => channel?.postMessage(machine.snapshot().uuid),

    ...methods,
    ...createDataApi(http, methods.withSession, update),
  };
}

export type SessionStore = ReturnType<typeof createSessionStore>;
