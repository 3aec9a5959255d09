import type { Schemas } from "../api/http.js";
import type { FakeSession } from "./fakeSessions.js";
import { randomHex } from "./random.js";

export interface Reply {
  status: number;
  body?: object;
  /** The new cookie; null removes it, undefined changes nothing. */
  cookie?: string | null;
  headers?: Record<string, string>;
}

const PHRASES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Entity",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** The codes that a visitor's page can get: HTTP status, sentence, and seconds in Retry-After. */
const REFUSALS = {
  body_incomplete: [400, "The body is shorter than its Content-Length. Send the request again."],
  body_too_large: [413, "The body is too large for this endpoint."],
  charset_not_supported: [415, "Content-Type must be readable, and its charset UTF-8 or US-ASCII."],
  code_expired: [410, "There is no valid code: request a new one."],
  code_wrong: [400, "This is not the code that was sent: compare the six digits and try again."],
  content_mismatch: [422, "The received file does not have the announced size. Upload it again."],
  credentials_differ: [
    401,
    "This request carries different tokens: send only one, in the cookie or as a bearer token.",
  ],
  database_unavailable: [
    503,
    "The database is not available. Try again soon. Your last change may have been saved.",
    5,
  ],
  direct_upload_unavailable: [
    501,
    "Direct uploads are not available on this server. Use POST /api/v1/uploads/.",
  ],
  email_missing: [
    409,
    "This session has no e-mail address: set one with PATCH /api/v1/sessions/current/.",
  ],
  file_empty: [400, "This file is empty. Choose another file."],
  file_held_back: [409, "This file is blocked for safety. Contact support."],
  file_missing: [
    400,
    "No file was received. Send one in the multipart field “file”, with a readable name.",
  ],
  file_too_large: [413, "This file is too large. The limit is 5.0\u00a0MB."],
  idempotency_key_malformed: [
    400,
    "Invalid Idempotency-Key. Use 1 to 128 visible ASCII characters, for example a random UUID.",
  ],
  idempotency_key_reused: [
    422,
    "This Idempotency-Key was used for another file. Use a new key for each file.",
  ],
  internal_error: [500, "An internal error occurred. Give the request id to support."],
  invalid_input: [400, "Some fields are not valid. See “errors”."],
  length_required: [411, "Send a Content-Length header. Chunked request bodies are not supported."],
  link_invalid: [401, "This link has expired or is not valid for this file. Request a new link."],
  mail_unavailable: [503, "The code could not be sent: try again soon.", 30],
  malformed_body: [
    400,
    "The body cannot be parsed. Send one well-formed document of a type that this endpoint accepts.",
  ],
  method_not_allowed: [405, "This address does not support this method. See the Allow header."],
  name_not_allowed: [
    400,
    "This file name is not allowed: it is empty, or has another extension before a semicolon. Rename the file, then upload it again.",
  ],
  not_acceptable: [406, "This endpoint answers only in JSON."],
  not_found: [404, "This address does not exist. API paths end in a slash."],
  object_missing: [404, "The content of this file cannot be found. Contact support."],
  origin_not_allowed: [
    403,
    "Pages of this origin may not use the API: the operator can add it to ALLOWED_ORIGINS.",
  ],
  quota_exceeded: [
    409,
    "A session can have at most 3 files and 15.0\u00a0MB. Delete a file first.",
  ],
  rate_limited: [429, "Too many requests: wait as long as Retry-After says, then try again.", 60],
  recovery_invalid: [
    401,
    "This recovery code is unknown, used or older than 15 minutes: ask support for a new one.",
  ],
  server_busy: [
    503,
    "The server is receiving too many files. Nothing was changed. Try again soon.",
    10,
  ],
  session_header_required: [
    403,
    "Send the session's UUID in the X-Session-UUID header with every change.",
  ],
  session_invalid: [
    401,
    "This session has ended or is unknown: create a new one with POST /api/v1/sessions/.",
  ],
  session_mismatch: [
    401,
    "X-Session-UUID names another session than the one this browser has proven: read GET /api/v1/sessions/current/ without the header and store that UUID.",
  ],
  session_required: [401, "This request needs a session: create one with POST /api/v1/sessions/."],
  storage_unavailable: [
    503,
    "Files are not available at the moment, and nothing was changed. Try again soon.",
    30,
  ],
  type_not_allowed: [
    415,
    "This file is not allowed. Its name and content must both be of an allowed type: PDF.",
  ],
  unsupported_media_type: [415, "This endpoint does not accept this Content-Type."],
  upload_deleted: [
    409,
    "The file of this Idempotency-Key was deleted. Use a new key to upload it again.",
  ],
  upload_in_progress: [
    409,
    "This upload is still running. Retry after the time in Retry-After.",
    5,
  ],
  upload_incomplete: [
    409,
    "The store has not received the file yet. Send it to the store first, then retry.",
    2,
  ],
  uuid_malformed: [400, "Invalid session UUID. Expected a lower-case UUIDv4 with hyphens."],
} as const satisfies Record<string, readonly [number, string, number?]>;

export type RefusalCode = keyof typeof REFUSALS;

export class Refusal extends Error {
  /**
   * @param extra further fields of the problem document, or other values of the usual ones
   * @param session where the refusal is recorded, because the request has proven it
   * @param fileName the file that was refused
   * @param headers further headers, or other values of the usual ones
   */
  constructor(
    readonly code: RefusalCode,
    readonly extra: object = {},
    readonly session?: FakeSession,
    readonly fileName = "",
    readonly headers: Record<string, string> = {},
  ) {
    super(code);
  }
}

/** The problem document of a code, with the sentence of the API's default settings. */
export function problem(
  code: RefusalCode,
  extra: object = {},
  headers: Record<string, string> = {},
): Reply {
  const [status, detail, wait]: readonly [number, string, number?] = REFUSALS[code];
  const body: Schemas["InvalidInput"] = {
    type: `urn:maria:problem:${code}`,
    title: PHRASES[status] ?? code,
    status,
    detail,
    code,
    request_id: randomHex(32),
    ...extra,
  };
  return {
    status,
    body,
    headers: {
      "Content-Type": "application/problem+json",
      ...(wait && { "Retry-After": String(wait) }),
      ...(status === 401 && { "WWW-Authenticate": "Session" }),
      ...headers,
    },
  };
}
