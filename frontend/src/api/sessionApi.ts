import {
  ACTIVITY_PAGE,
  ASSERTION,
  CODE_SENT,
  CURRENT_SESSION,
  EXPORT,
  NOTHING,
  REVISION,
  SESSION,
  type Shape,
} from "./checks.js";
import type { Http, Optional, Schemas } from "./http.js";

/** Contact details and consents. A missing field stays as it is, an empty text removes it. */
export type Identity = Optional<Schemas["PatchedIdentifyRequest"]>;
export type CurrentSession = Schemas["CurrentSession"];
export type Activity = Schemas["Activity"];
/** One page of events. `next` is the address of the next page, null on the last one. */
export type ActivityPage = Schemas["PaginatedActivityList"];

const CURRENT = "sessions/current/";

/** Create, read, reset and end sessions. Each method rejects with a `SessionError`. */
export function createSessionApi({ send, credential }: Http) {
  return {
    /** Create a session, or return the active one that the request proves. */
    create: () =>
      send<Schemas["Session"]>(SESSION, "POST", "sessions/", {
        body: { credential: credential() },
      }),
    /** The session that the request proves. Rejects if `uuid` is another one. */
    current: (uuid?: string | null) =>
      send<CurrentSession>(CURRENT_SESSION, "GET", CURRENT, { uuid }),
    /** What the page compares with what it shows; undefined if it knows this revision. */
    revision: (uuid: string, known: string | null) =>
      send<Schemas["Revision"] | undefined>(REVISION, "GET", `${CURRENT}revision/`, {
        uuid,
        known,
      }),
    reset: (uuid: string, reason: Schemas["ReasonEnum"], key: string) =>
      send<Schemas["Successor"]>(SESSION, "POST", CURRENT + "reset/", {
        uuid,
        body: { reason },
        key,
      }),
    end: (uuid: string, erase?: boolean) =>
      send<undefined>(NOTHING, "DELETE", CURRENT + (erase ? "?erase=true" : ""), { uuid }),
    /** Restore a session by a recovery code from support. */
    recover: (code: string, key: string) => {
      const body = { code, credential: credential() };
      return send<Schemas["Session"]>(SESSION, "POST", "sessions/recover/", { body, key });
    },
  };
}

export type SessionApi = ReturnType<typeof createSessionApi>;

/**
 * The requests about the data of the session. Each method rejects with a `SessionError`.
 *
 * @param withSession runs a request with the session's UUID
 * @param update does so too, and shows the session that the request returns
 */
export function createDataApi(
  { send }: Http,
  withSession: <T>(request: (uuid: string) => Promise<T>) => Promise<T>,
  update: (request: (uuid: string) => Promise<CurrentSession>) => Promise<void>,
) {
  const ask = <T>(shape: Shape, method: string, path: string, signal?: AbortSignal) =>
    withSession((uuid) => send<T>(shape, method, CURRENT + path, { uuid, signal }));
  const change = (method: string, path: string, body: object) =>
    update((uuid) => send(CURRENT_SESSION, method, CURRENT + path, { uuid, body }));
  return {
    /** Change name, e-mail address and consents. */
    identify: (identity: Identity) => change("PATCH", "", identity),
    /** Mail a six-digit code to the visitor's address. */
    sendCode: () => ask<Schemas["CodeSent"]>(CODE_SENT, "POST", "email/"),
    /** Confirm the address by the code. */
    verifyCode: (code: string) => change("POST", "email/verify/", { code }),
    /** One page of the session's events, newest first. */
    activity: (next = "", signal?: AbortSignal) =>
      ask<ActivityPage>(ACTIVITY_PAGE, "GET", `activity/${query(next)}`, signal),
    /** All data of the session. */
    exportData: (signal?: AbortSignal) =>
      ask<Record<string, unknown>>(EXPORT, "GET", "export/", signal),
    /** A signed text for Maria's back end, valid for five minutes. */
    assertion: () => ask<Schemas["IssuedAssertion"]>(ASSERTION, "POST", "assertion/"),
  };
}

/** The query string of a page's address. Behind a proxy its host is not reachable. */
export const query = (address: string): string => address.replace(/^[^?]*/, "");
