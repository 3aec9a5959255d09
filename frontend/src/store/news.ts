import type { Schemas, SessionError } from "../api/http.js";
import type { SessionApi } from "../api/sessionApi.js";
import { later, MINUTE, retryDelay, SECOND } from "../utils/time.js";
import type { Machine } from "./machine.js";

/** Milliseconds between two questions while the page is used, and else. */
const ACTIVE = 4 * SECOND;
const IDLE = 50 * SECOND;
/** A server of an older version does not know the question. It may be replaced. */
const UNKNOWN = 5 * MINUTE;
/** A page is used for so long after a key, a click or a movement. */
const USED = 2 * MINUTE;

/** The files that the server has, or undefined if it must be asked. */
export type News = readonly Schemas["KnownFile"][] | undefined;

/**
 * Asks the server whether anything has changed: the session, or its files. A question is not an
 * activity. A hidden page asks nothing.
 *
 * @param isWanted whether somebody waits for answers
 * @param check reads the session
 * @param onNews called with the files if anything may have changed
 */
export function createNews(
  { snapshot }: Machine,
  api: SessionApi,
  isWanted: () => boolean,
  check: () => unknown,
  onNews: (news: News) => void,
) {
  /** The session that is asked about, and the revision that the page has. */
  let owner: string | null = null;
  let known: string | null = null;
  let usedAt = Date.now();
  let sentAt = 0;
  let isOnItsWay = false;
  /** How often the server did not answer, and how long that makes the page wait. */
  let failures = 0;
  let delay = 0;
  let timer: ReturnType<typeof later> | undefined;

  function stop(): void {
    clearTimeout(timer);
    timer = undefined;
  }

  function mayAsk(): boolean {
    const { status, session } = snapshot();
    const isUsable = session && (status === "ready" || status === "expiring");
    return !!isUsable && isWanted() && !document.hidden;
  }

  const isUsed = () => Date.now() - usedAt < USED;

  /** Wait for the next question. Called whenever something has changed. */
  function follow(): void {
    const { uuid } = snapshot();
    if (uuid !== owner) {
      owner = uuid;
      known = null;
      sentAt = Date.now();
    }
    if (!mayAsk()) return stop();
    const pause = failures ? delay : isUsed() ? ACTIVE : IDLE;
    timer ??= later(Math.max(0, sentAt + pause - Date.now()), ask);
  }

  async function ask(): Promise<void> {
    stop();
    if (isOnItsWay || !mayAsk()) return;
    isOnItsWay = true;
    sentAt = Date.now();
    const uuid = owner as string;
    await api.revision(uuid, known).then((answer) => {
      failures = 0;
      if (answer && owner === uuid) take(answer);
    }, failed);
    isOnItsWay = false;
    follow();
  }

  function take({ revision, files }: Schemas["Revision"]): void {
    if (known) void check(); // The first revision is that of what was read before.
    known = revision;
    onNews(files);
  }

  function failed(error: SessionError): void {
    const isUnknown = error.status === 404;
    delay = isUnknown ? UNKNOWN : retryDelay(error, failures);
    failures++;
    // Only the session's own request decides what is wrong.
    if (!isUnknown && error.status !== 429) void check();
  }

  return {
    follow,
    stop,
    /** Ask now, unless the page is hidden. */
    ask: () => void ask(),
    /** The visitor does something. */
    use(): void {
      const wasUsed = isUsed();
      usedAt = Date.now();
      if (!failures && usedAt - sentAt >= ACTIVE) return void ask();
      if (wasUsed) return;
      stop(); // The next question comes sooner.
      follow();
    },
  };
}
