import type { paths } from "../api/schema.js";
import { STORAGE_PATH } from "./directUploads.js";
import { createFakeSessions, type ApiRequest, type FakeApiOptions } from "./fakeSessions.js";
import { problem, Refusal, type RefusalCode, type Reply } from "./refusals.js";
import { revision } from "./revision.js";
import { createSessionEndpoints } from "./sessionEndpoints.js";
import { createUploadEndpoints } from "./uploadEndpoints.js";

type Methods = Partial<Record<"GET" | "POST" | "PATCH" | "DELETE", (request: ApiRequest) => Reply>>;

/** The size of a JSON document that the API reads. */
const MOST_BYTES = 64 * 1024;
const UPLOAD = /^uploads\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\//;

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
    "/api/v1/sessions/current/revision/": { GET: (request) => revision(state, request) },
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
    const methods = methodsOf(request);
    try {
      refuseBody(request, methods);
      if (!methods) throw new Refusal("not_found");
      return withAllow(methods, answer(request, methods));
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      return problem(thrown.code);
    }
  }

  /** Refuse a request. */
  function refuse(request: Pick<ApiRequest, "path">, code: RefusalCode, extra?: object): Reply {
    const methods = methodsOf(request);
    return methods ? withAllow(methods, problem(code, extra)) : problem(code, extra);
  }

  function methodsOf({ path }: Pick<ApiRequest, "path">): Methods | undefined {
    const template = path.replace(UPLOAD, "uploads/{id}/");
    return endpoints[`/api/v1/${template}` as keyof paths];
  }

  function answer(request: ApiRequest, methods: Methods): Reply {
    try {
      const endpoint = endpointOf(request, methods);
      if (!endpoint) throw new Refusal("method_not_allowed");
      return endpoint(request);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      state.recordRefusal(thrown);
      return problem(thrown.code, thrown.extra, thrown.headers);
    }
  }

  return { state, emails, keep: upload.keep, respond, refuse };
}

/** The bytes of a JSON document. */
const sizeOf = (body: unknown) =>
  body === undefined || body instanceof FormData
    ? 0
    : new TextEncoder().encode(JSON.stringify(body)).length;

/** Each address with GET also has HEAD. */
const endpointOf = ({ method }: Pick<ApiRequest, "method">, methods: Methods) =>
  methods[(method === "HEAD" ? "GET" : method) as keyof Methods];

/** The web server does not receive a body that the address does not read. @throws Refusal */
function refuseBody({ method, body }: ApiRequest, methods: Methods | undefined): void {
  const isRead = ["POST", "PUT", "PATCH"].includes(method);
  const most = isRead ? MOST_BYTES : 0;
  const isReceived = !isRead || (methods && endpointOf({ method }, methods));
  if (isReceived && sizeOf(body) > most) throw new Refusal("body_too_large");
}

function withAllow(methods: Methods, reply: Reply): Reply {
  const allowed = ["GET", "HEAD", "POST", "PATCH", "DELETE"].filter((method) =>
    endpointOf({ method }, methods),
  );
  return { ...reply, headers: { ...reply.headers, Allow: allowed.join(", ") } };
}
