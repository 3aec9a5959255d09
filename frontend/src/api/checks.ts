import { isSessionUUID } from "../utils/sessionUtils.js";
import type { Problem, Schemas } from "./http.js";

export type Check = (value: unknown) => boolean;

const is =
  (type: string): Check =>
  (value) =>
    typeof value === type;
const text = is("string");
const number = is("number");
const flag = is("boolean");
const date: Check = (value) => text(value) && Date.parse(value as string) > 0;
const nullable =
  (check: Check): Check =>
  (value) =>
    value == null || check(value);
/** Check the values of a list or a record. */
const all =
  (check: Check, isList = true): Check =>
  (value) =>
    value instanceof Object && Array.isArray(value) === isList && Object.values(value).every(check);

/** Check the fields of a schema. TypeScript compares their names; unknown fields pass. */
const object =
  <T>(checks: { [Name in keyof Required<T>]: Check }): Check =>
  (value) =>
    value instanceof Object &&
    Object.entries<Check>(checks).every(([name, check]) =>
      check((value as Record<string, unknown>)[name]),
    );

const lost = object<Schemas["Lost"]>({ count: number, files: all(text) });
const page = (item: Check) =>
  object<Schemas["PaginatedUploadList"]>({
    results: all(item),
    next: nullable(text),
    previous: nullable(text),
  });
const session = {
  uuid: isSessionUUID,
  support_code: text,
  status: text,
  created_at: date,
  expires_at: date,
  limits: object<Schemas["Limits"]>({
    max_files: number,
    max_file_bytes: number,
    max_total_bytes: number,
    types: all(text),
    direct_upload: flag,
  }),
  token: nullable(text),
};

export const isSession = object<Schemas["Session"]>(session);
export const isCurrentSession = object<Schemas["CurrentSession"]>({
  ...session,
  last_seen_at: date,
  used: object<Schemas["Used"]>({ files: number, bytes: number }),
  identity: text,
  name: text,
  email: text,
  completed_at: nullable(date),
  consent: all(object<Schemas["ConsentChange"]>({ granted: flag, version: text }), false),
});
export const isCodeSent = object<Schemas["CodeSent"]>({ expires_at: date, next_in: number });
export const isAssertion = object<Schemas["IssuedAssertion"]>({
  expires_at: date,
  assertion: text,
});
export const isActivityPage = page(
  object<Schemas["Activity"]>({
    event_id: text,
    occurred_at: date,
    event: text,
    meaning: text,
    outcome: text,
    who: text,
    file: text,
  }),
);
/** All data of a session. The schema does not list its fields. */
export const isExport = object<{ session: unknown; events: unknown }>({
  session: object<{ uuid: string }>({ uuid: isSessionUUID }),
  events: all(is("object")),
});
export const isUpload = object<Schemas["Upload"]>({
  id: text,
  name: text,
  size: number,
  content_type: text,
  sha256: text,
  status: text,
  created_at: date,
});
export const isUploadPage = page(isUpload);
export const isDirectUpload = object<Schemas["DirectUpload"]>({
  id: text,
  upload: object<Schemas["UploadForm"]>({
    url: text,
    expires_at: date,
    fields: all(text, false),
  }),
});
export const isLink = object<Schemas["Link"]>({ expires_at: date, url: text });
/** The answer to a deletion has no body. */
export const isNothing = is("undefined");

const problem: { [Name in keyof Problem]?: Check } = {
  code: text,
  detail: text,
  support_code: text,
  reason: (value) => /^(expired|reset|ended|revoked)$/.test(value as string),
  lost,
  types: all(text),
  errors: all(all(object<Schemas["FieldError"]>({ code: text, detail: text })), false),
};

/** The fields of a problem document, without those of another type than the API sends. */
export const problemOf = (document: unknown): Partial<Problem> =>
  Object.fromEntries(
    Object.entries(document ?? {}).filter(
      ([name, value]) => problem[name as keyof Problem]?.(value) ?? true,
    ),
  );
