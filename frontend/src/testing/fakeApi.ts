import type { paths } from "../api/schema.js";
import { createFakeSessions, type ApiRequest, type FakeApiOptions } from "./fakeSessions.js";
import { problem, Refusal, type Reply } from "./refusals.js";
import { createSessionEndpoints } from "./sessionEndpoints.js";
import { createUploadEndpoints, STORAGE_PATH } from "./uploadEndpoints.js";

/**
 * The API of docs/api.md in memory.
 *
 * @param now returns the server's time in milliseconds
 */
export function createFakeApi(options: FakeApiOptions, now: () => number) {
  const emails: { to: string; code: string }[] = [];
  const state = createFakeSessions(options, now);
  const session = createSessionEndpoints(state, emails);
  const upload = createUploadEndpoints(state);

  type Methods = Partial<Record<string, (request: ApiRequest) => Reply>>;

  const endpoints: Partial<Record<keyof paths, Methods>> = {
    "/api/v1/sessions/": { POST: session.create },
    "/api/v1/sessions/validate/": { POST: session.validate },
    "/api/v1/sessions/recover/": { POST: session.recover },
    "/api/v1/sessions/current/": {
      GET: session.current,
      PATCH: session.identify,
      DELETE: session.end,
    },
    "/api/v1/sessions/current/email/": { POST: session.sendCode },
    "/api/v1/sessions/current/email/verify/": { POST: session.verifyCode },
    "/api/v1/sessions/current/reset/": { POST: session.reset },
    "/api/v1/sessions/current/export/": { GET: session.exportData },
    "/api/v1/sessions/current/activity/": { GET: session.activity },
    "/api/v1/sessions/current/assertion/": { POST: session.assertion },
    "/api/v1/uploads/": { GET: upload.list, POST: upload.store },
    "/api/v1/uploads/{id}/": { GET: upload.get, DELETE: upload.remove },
    "/api/v1/uploads/{id}/link/": { POST: upload.link },
    "/api/v1/uploads/direct/": { POST: upload.announce },
    "/api/v1/uploads/{id}/complete/": { POST: upload.complete },
  };

  /** Answer a request. A refusal becomes a problem document. */
  function respond(request: ApiRequest): Reply {
    if (request.path === STORAGE_PATH) return upload.receive(request);
    const template = request.path.replace(/^uploads\/(?!direct\/)[^/]+\//, "uploads/{id}/");
    const methods = endpoints[`/api/v1/${template}` as keyof paths];
    try {
      if (!methods) throw new Refusal("not_found");
      const endpoint = methods[request.method];
      if (!endpoint) throw new Refusal("method_not_allowed");
      return endpoint(request);
    } catch (thrown) {
      if (thrown instanceof Refusal) return problem(thrown.code, thrown.extra);
      throw thrown;
    }
  }

  return { sessions: state.sessions, emails, keep: upload.keep, respond };
}
