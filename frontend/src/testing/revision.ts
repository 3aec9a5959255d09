import type { Schemas } from "../api/http.js";
import type { ApiRequest, FakeSession, FakeSessions } from "./fakeSessions.js";
import type { Reply } from "./refusals.js";

/** The endpoint that open pages ask whether anything has changed. */
export function revision(state: FakeSessions, request: ApiRequest): Reply {
  const session = state.ask(request);
  const files = session.files
    .map(({ upload: { id, status } }) => ({ id, status }))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
  const hash = hashOf(JSON.stringify([session.uuid, described(state, session), files]));
  const headers = { ETag: `"${hash}"` };
  const known = request.headers.get("If-None-Match")?.split(/, */) ?? [];
  const isKnown = known.some((tag) => tag === "*" || tag.replace("W/", "") === headers.ETag);
  if (isKnown) return { status: 304, headers };
  return { status: 200, body: { revision: hash, files } satisfies Schemas["Revision"], headers };
}

/** What `GET sessions/current/` answers, except for the times of activity. */
function described(state: FakeSessions, session: FakeSession) {
  const { used, name, email, identity, completed_at, consent } = state.describeCurrent(session);
  return [used, name, email, identity, completed_at, consent];
}

/** 32 digits that differ if the text does (FNV-1a, four times). */
const hashOf = (text: string) =>
  [1, 2, 3, 4]
    .map((seed) => {
      let hash = 0x811c9dc5 * seed;
      for (const character of text) {
        hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
      }
      return (hash >>> 0).toString(16).padStart(8, "0");
    })
    .join("");
