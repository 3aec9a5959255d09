import {
  isActivityPage,
  isAssertion,
  isCodeSent,
  isCurrentSession,
  isExport,
  isNothing,
  isSession,
} from "./checks.js";
import { checked, type Http, type Optional, type Schemas } from "./http.js";

/** Contact details and consents. A missing field stays as it is, an empty text removes it. */
export type Identity = Optional<Schemas["PatchedIdentifyRequest"]>;
export type CurrentSession = Schemas["CurrentSession"];
export type Activity = Schemas["Activity"];
/** One page of events. `next` is the address of the next page, null on the last one. */
export type ActivityPage = Schemas["PaginatedActivityList"];

const CURRENT = "sessions/current/";

/** The session endpoints. Each method rejects with a `SessionError`. */
export function createSessionApi(http: Http) {
  const { send } = http;
  return {
    /** Create a session, or return the active one that the request proves. */
    create: () =>
      checked<Schemas["Session"]>(
        isSession,
        send("POST", "sessions/", null, { credential: http.credential() }),
      ),
    /** The session that the request proves. Rejects if `uuid` is another one. */
    current: (uuid?: string | null) =>
      checked<CurrentSession>(isCurrentSession, send("GET", CURRENT, uuid)),
    identify: (uuid: string, identity: Identity) =>
      checked<CurrentSession>(isCurrentSession, send("PATCH", CURRENT, uuid, identity)),
    sendCode: (uuid: string) =>
      checked<Schemas["CodeSent"]>(isCodeSent, send("POST", `${CURRENT}email/`, uuid)),
    verifyCode: (uuid: string, code: string) =>
      checked<CurrentSession>(
        isCurrentSession,
        send("POST", `${CURRENT}email/verify/`, uuid, { code }),
      ),
    reset: (uuid: string, reason: Schemas["ReasonEnum"], key: string) =>
      checked<Schemas["Successor"]>(
        isSession,
        send("POST", `${CURRENT}reset/`, uuid, { reason }, key),
      ),
    end: (uuid: string, erase: boolean) =>
      checked<undefined>(isNothing, send("DELETE", CURRENT + (erase ? "?erase=true" : ""), uuid)),
    exportData: (uuid: string) =>
      checked<Record<string, unknown>>(isExport, send("GET", `${CURRENT}export/`, uuid)),
    /** One page of events, newest first. */
    activity: (uuid: string, next = "") =>
      checked<ActivityPage>(isActivityPage, send("GET", `${CURRENT}activity/${query(next)}`, uuid)),
    /** A signed text for Maria's back end, valid for five minutes. */
    assertion: (uuid: string) =>
      checked<Schemas["IssuedAssertion"]>(isAssertion, send("POST", `${CURRENT}assertion/`, uuid)),
    /** Restore a session by a recovery code from support. */
    recover: (code: string, key: string) => {
      const body = { code, credential: http.credential() };
      return checked<Schemas["Session"]>(
        isSession,
        send("POST", "sessions/recover/", null, body, key),
      );
    },
  };
}

export type SessionApi = ReturnType<typeof createSessionApi>;

/** The query string of a page's address. Behind a proxy its host is not reachable. */
export function query(address: string): string {
  const start = address.indexOf("?");
  return start < 0 ? "" : address.slice(start);
}
