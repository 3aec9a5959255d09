import {
  ACTIVITY_PAGE,
  ASSERTION,
  CODE_SENT,
  CURRENT_SESSION,
  EXPORT,
  NOTHING,
  SESSION,
} from "./checks.js";
import type { Http, Optional, Schemas } from "./http.js";

/** Contact details and consents. A missing field stays as it is, an empty text removes it. */
export type Identity = Optional<Schemas["PatchedIdentifyRequest"]>;
export type CurrentSession = Schemas["CurrentSession"];
export type Activity = Schemas["Activity"];
/** One page of events. `next` is the address of the next page, null on the last one. */
export type ActivityPage = Schemas["PaginatedActivityList"];

const CURRENT = "sessions/current/";

/** The session endpoints. Each method rejects with a `SessionError`. */
export function createSessionApi({ send, credential }: Http) {
  return {
    /** Create a session, or return the active one that the request proves. */
    create: () =>
      send<Schemas["Session"]>(SESSION, "POST", "sessions/", null, {
        credential: credential(),
      }),
    /** The session that the request proves. Rejects if `uuid` is another one. */
    current: (uuid?: string | null) => send<CurrentSession>(CURRENT_SESSION, "GET", CURRENT, uuid),
    identify: (uuid: string, identity: Identity) =>
      send<CurrentSession>(CURRENT_SESSION, "PATCH", CURRENT, uuid, identity),
    sendCode: (uuid: string) =>
      send<Schemas["CodeSent"]>(CODE_SENT, "POST", `${CURRENT}email/`, uuid),
    verifyCode: (uuid: string, code: string) =>
      send<CurrentSession>(CURRENT_SESSION, "POST", `${CURRENT}email/verify/`, uuid, { code }),
    reset: (uuid: string, reason: Schemas["ReasonEnum"], key: string) =>
      send<Schemas["Successor"]>(SESSION, "POST", `${CURRENT}reset/`, uuid, { reason }, key),
    end: (uuid: string, erase: boolean) =>
      send<undefined>(NOTHING, "DELETE", CURRENT + (erase ? "?erase=true" : ""), uuid),
    exportData: (uuid: string) =>
      send<Record<string, unknown>>(EXPORT, "GET", `${CURRENT}export/`, uuid),
    /** One page of events, newest first. */
    activity: (uuid: string, next = "") =>
      send<ActivityPage>(ACTIVITY_PAGE, "GET", `${CURRENT}activity/${query(next)}`, uuid),
    /** A signed text for Maria's back end, valid for five minutes. */
    assertion: (uuid: string) =>
      send<Schemas["IssuedAssertion"]>(ASSERTION, "POST", `${CURRENT}assertion/`, uuid),
    /** Restore a session by a recovery code from support. */
    recover: (code: string, key: string) => {
      const body = { code, credential: credential() };
      return send<Schemas["Session"]>(SESSION, "POST", "sessions/recover/", null, body, key);
    },
  };
}

export type SessionApi = ReturnType<typeof createSessionApi>;

/** The query string of a page's address. Behind a proxy its host is not reachable. */
export const query = (address: string): string => address.replace(/^[^?]*/, "");
