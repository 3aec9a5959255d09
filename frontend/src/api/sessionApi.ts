import type { Http, Schemas } from "./http.js";

/** What a visitor may say of themselves; what is left out stays, an empty text takes it back. */
export type Identity = Schemas["PatchedIdentifyRequest"];
/** A session as its visitor sees it. */
export type CurrentSession = Schemas["CurrentSession"];
/** One event of a session, told to its visitor. */
export type Activity = Schemas["Activity"];
/** One page of events; `next` is for the following call, null at the end. */
export type ActivityPage = Schemas["PaginatedActivityList"];

const CURRENT = "sessions/current/";

/** The endpoints for sessions, typed. Each method rejects with a `SessionError`. */
export function createSessionApi(http: Http) {
  const { send } = http;
  return {
    /** A new session, or the live one that the request proves. */
    create: () =>
      send<Schemas["Session"]>("POST", "sessions/", null, { credential: http.credential() }),
    /** The proven session; with a UUID only if that is the one. */
    current: (uuid?: string | null) => send<CurrentSession>("GET", CURRENT, uuid),
    identify: (uuid: string, identity: Identity) =>
      send<CurrentSession>("PATCH", CURRENT, uuid, identity),
    /** Mail a six-digit code to the session's address. */
    sendCode: (uuid: string) => send<Schemas["CodeSent"]>("POST", `${CURRENT}email/`, uuid),
    verifyCode: (uuid: string, code: string) =>
      send<CurrentSession>("POST", `${CURRENT}email/verify/`, uuid, { code }),
    /** Leave a session for a fresh one. */
    reset: (uuid: string, reason: Schemas["ReasonEnum"]) =>
      send<Schemas["Successor"]>("POST", `${CURRENT}reset/`, uuid, { reason }),
    end: (uuid: string, erase: boolean) =>
      send<undefined>("DELETE", CURRENT + (erase ? "?erase=true" : ""), uuid),
    exportData: (uuid: string) => send<Record<string, unknown>>("GET", `${CURRENT}export/`, uuid),
    /** Newest events first; `next` of a page leads to the following one. */
    activity: (uuid: string, next = "") =>
      send<ActivityPage>("GET", `${CURRENT}activity/${query(next)}`, uuid),
    /** A signed text, good for five minutes, for handing to Maria's back end. */
    assertion: (uuid: string) =>
      send<Schemas["IssuedAssertion"]>("POST", `${CURRENT}assertion/`, uuid),
    /** Bring back the session that support has issued a code for. */
    recover: (code: string) =>
      send<Schemas["Session"]>("POST", "sessions/recover/", null, {
        code,
        credential: http.credential(),
      }),
  };
}

export type SessionApi = ReturnType<typeof createSessionApi>;

/** The query of a page's address; its host may be one that only proxies know. */
export function query(address: string): string {
  const start = address.indexOf("?");
  return start < 0 ? "" : address.slice(start);
}
