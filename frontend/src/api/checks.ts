import { isSessionUUID } from "../utils/sessionUtils.js";
import type { Problem, Schemas } from "./http.js";

type Check = (value: unknown) => boolean;

/**
 * What a value must look like: an example of a text, number or boolean; a list of one shape; the
 * shapes of an object's fields; or a check.
 */
export type Shape = string | number | boolean | Check | readonly [Shape] | Fields;
interface Fields {
  readonly [name: string]: Shape;
}

/** A shape for each field of a schema. TypeScript compares the names. */
type ShapeOf<T> = { readonly [Name in keyof Required<T>]: Shape };

/** Whether a value has a shape. Fields that the shape does not know pass. */
export function fits(value: unknown, shape: Shape): boolean {
  if (typeof shape === "function") return shape(value);
  if (Array.isArray(shape)) {
    return Array.isArray(value) && value.every((item) => fits(item, shape[0] as Shape));
  }
  if (typeof shape !== "object") return typeof value === typeof shape;
  return (
    value instanceof Object &&
    Object.entries(shape).every(([name, part]) =>
      fits((value as Record<string, unknown>)[name], part),
    )
  );
}

const DATE: Check = (value) => fits(value, "") && Date.parse(value as string) > 0;
const DATE_OR_NULL: Check = (value) => value == null || DATE(value);
const TEXT_OR_NULL: Check = (value) => value == null || fits(value, "");
/** An object with any names, whose values have one shape. */
const record =
  (shape: Shape): Check =>
  (value) =>
    !Array.isArray(value) && fits(value, {}) && fits(Object.values(value as object), [shape]);

export const SESSION = {
  uuid: isSessionUUID,
  support_code: "",
  status: "",
  created_at: DATE,
  expires_at: DATE,
  limits: {
    max_files: 0,
    max_file_bytes: 0,
    max_total_bytes: 0,
    types: [""],
    direct_upload: true,
  } satisfies ShapeOf<Schemas["Limits"]>,
  token: TEXT_OR_NULL,
} satisfies ShapeOf<Schemas["Session"]>;

export const CURRENT_SESSION = {
  ...SESSION,
  last_seen_at: DATE,
  used: { files: 0, bytes: 0 } satisfies ShapeOf<Schemas["Used"]>,
  identity: "",
  name: "",
  email: "",
  completed_at: DATE_OR_NULL,
  consent: record({ granted: true, version: "" } satisfies ShapeOf<Schemas["ConsentChange"]>),
} satisfies ShapeOf<Schemas["CurrentSession"]>;

/** Without a change there is no document. */
export const REVISION: Check = (value) => value === undefined || fits(value, CHANGED);
const CHANGED = {
  revision: "",
  files: [{ id: "", status: "" } satisfies ShapeOf<Schemas["KnownFile"]>],
} satisfies ShapeOf<Schemas["Revision"]>;

export const CODE_SENT = { expires_at: DATE, next_in: 0 } satisfies ShapeOf<Schemas["CodeSent"]>;

export const ASSERTION = {
  expires_at: DATE,
  assertion: "",
} satisfies ShapeOf<Schemas["IssuedAssertion"]>;

export const ACTIVITY_PAGE = {
  results: [
    {
      event_id: "",
      occurred_at: DATE,
      event: "",
      meaning: "",
      outcome: "",
      who: "",
      file: "",
    } satisfies ShapeOf<Schemas["Activity"]>,
  ],
  next: TEXT_OR_NULL,
  previous: TEXT_OR_NULL,
} satisfies ShapeOf<Schemas["PaginatedActivityList"]>;

/** All data of the session. The schema does not list its fields. */
export const EXPORT = { session: { uuid: isSessionUUID }, events: [{}] } satisfies Shape;

export const UPLOAD = {
  id: "",
  name: "",
  size: 0,
  content_type: "",
  sha256: "",
  status: "",
  created_at: DATE,
} satisfies ShapeOf<Schemas["Upload"]>;

export const UPLOAD_PAGE = {
  results: [UPLOAD],
  next: TEXT_OR_NULL,
  previous: TEXT_OR_NULL,
} satisfies ShapeOf<Schemas["PaginatedUploadList"]>;

export const DIRECT_UPLOAD = {
  id: "",
  upload: {
    url: "",
    expires_at: DATE,
    fields: /* @__PURE__ */ record(""), // Left out of apps without uploads.
  } satisfies ShapeOf<Schemas["UploadForm"]>,
} satisfies ShapeOf<Schemas["DirectUpload"]>;

export const LINK = { expires_at: DATE, url: "" } satisfies ShapeOf<Schemas["Link"]>;

/** The answer to a deletion has no body. */
export const NOTHING: Check = (value) => value === undefined;

const PROBLEM: { [Name in keyof Problem]?: Shape } = {
  code: "",
  detail: "",
  support_code: "",
  reason: (value) => /^(expired|reset|ended|revoked)$/.test(value as string),
  lost: { count: 0, files: [""] } satisfies ShapeOf<Schemas["Lost"]>,
  types: [""],
  errors: record([{ code: "", detail: "" } satisfies ShapeOf<Schemas["FieldError"]>]),
};

/** The fields of a problem document, without those of another type than the API sends. */
export const problemOf = (document: unknown): Partial<Problem> =>
  Object.fromEntries(
    Object.entries(document ?? {}).filter(([name, value]) =>
      fits(value, PROBLEM[name as keyof Problem] ?? (() => true)),
    ),
  );
