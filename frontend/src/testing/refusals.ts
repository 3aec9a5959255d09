import type { Schemas } from "../api/http.js";
import { randomHex } from "./random.js";

export interface Reply {
  status: number;
  body?: object;
  /** The new cookie; null removes it, undefined changes nothing. */
  cookie?: string | null;
}

/** The error codes of the fake server with their HTTP status. */
const STATUS_BY_CODE = {
  code_expired: 410,
  code_wrong: 400,
  content_mismatch: 422,
  credentials_differ: 401,
  database_unavailable: 503,
  direct_upload_unavailable: 501,
  email_missing: 409,
  file_empty: 400,
  file_held_back: 409,
  file_missing: 400,
  file_too_large: 413,
  idempotency_key_reused: 422,
  internal_error: 500,
  invalid_input: 400,
  mail_unavailable: 503,
  method_not_allowed: 405,
  not_found: 404,
  origin_not_allowed: 403,
  quota_exceeded: 409,
  rate_limited: 429,
  recovery_invalid: 401,
  session_header_required: 403,
  session_invalid: 401,
  session_mismatch: 401,
  session_required: 401,
  storage_unavailable: 503,
  type_not_allowed: 415,
  upload_in_progress: 409,
  upload_incomplete: 409,
  uuid_malformed: 400,
} as const;

export type RefusalCode = keyof typeof STATUS_BY_CODE;

export class Refusal extends Error {
  constructor(
    readonly code: RefusalCode,
    readonly extra: object = {},
  ) {
    super(code);
  }
}

export function problem(code: RefusalCode, extra: object = {}): Reply {
  const status = STATUS_BY_CODE[code];
  const body: Schemas["InvalidInput"] = {
    type: `urn:maria:problem:${code}`,
    title: code,
    status,
    detail: `The fake server says ${code}.`,
    code,
    request_id: randomHex(32),
    ...extra,
  };
  return { status, body };
}
