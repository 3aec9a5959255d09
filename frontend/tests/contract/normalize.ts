/** Answers without what differs from one run to the next: ids, times, tokens and addresses. */

type CookieChange = "same" | "set" | "deleted";

export interface RawAnswer {
  status: number;
  /** What the answer does to the session cookie. */
  cookie: CookieChange;
  headers: Record<string, string>;
  body: unknown;
}

/** The headers that the package reads, that pages of other origins may read, and those of HTTP. */
const HEADERS = [
  "allow",
  "cache-control",
  "content-disposition",
  "content-type",
  "date",
  "etag",
  "location",
  "retry-after",
  "www-authenticate",
  "x-request-id",
];

const isObject = (value: unknown): value is Record<string, unknown> =>
  value instanceof Object && !Array.isArray(value);

export async function readAnswer(response: Response, cookie: CookieChange): Promise<RawAnswer> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const headers = HEADERS.flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  const body: unknown = text && isJson ? JSON.parse(text) : text;
  return { status: response.status, cookie, headers: Object.fromEntries(headers), body };
}

const MINUTE = 60_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const SUPPORT_CODE = /\bMAR(-[0-9A-HJKMNP-TV-Z]{3}){3}\b/g;
/** Of a request, or of a revision, which a header has in quotes. */
const HASH = /^("?)([0-9a-f]{32})\1$/;

/** "past", or how far a time is ahead: exact enough that two limits of the API differ. */
function shownTime(text: string): string {
  const ahead = Date.parse(text) - Date.now();
  if (ahead < 5_000) return "<past>";
  const minutes = Math.round(ahead / MINUTE);
  return minutes < 120 ? `<in ${minutes} min>` : `<in ${Math.round(minutes / 60)} h>`;
}

/** The fake server has them, but without their values. */
const NOT_IMITATED = { network: "", request_id: "", target: "" };

/** Fields whose texts are only for this run, or only for people. */
const OPAQUE: Record<string, RegExp> = {
  token: /^mss1_[\w-]{43}$/,
  sha256: /^[0-9a-f]{64}$/,
  assertion: /^\S{20,}$/,
};

/**
 * Replaces what is random, the same value always by the same name: the answers of two servers to the
 * same requests are then equal, and so is which of their ids are the same.
 */
export function createNormalizer() {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();

  function named(kind: string, value: string): string {
    const known = names.get(value);
    if (known) return known;
    const number = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, number);
    names.set(value, `<${kind} ${number}>`);
    return `<${kind} ${number}>`;
  }

  function normalizedText(text: string, field: string): string {
    if (OPAQUE[field]?.test(text)) return `<${field}>`;
    if (TIME.test(text)) return shownTime(text);
    const hash = HASH.exec(text)?.[2];
    if (hash) return named("hash", hash);
    return text
      .replace(UUID, (uuid) => named("uuid", uuid))
      .replace(SUPPORT_CODE, (code) => named("support code", code))
      .replace(/^https?:\/\/[^/]+(?=\/api\/v1\/)/, "<host>")
      .replace(/\b(cursor|link)=[^&]+$/, "$1=<$1>");
  }

  function normalized(value: unknown, field = ""): unknown {
    if (typeof value === "string") return normalizedText(value, field);
    if (Array.isArray(value)) return value.map((item) => normalized(item, field));
    return isObject(value) ? normalizedObject(value, field) : value;
  }

  function normalizedObject(value: Record<string, unknown>, field: string): unknown {
    // The form of a storage.
    if (field === "upload") return normalized({ ...value, url: "<url>", fields: "<texts>" });
    const { details, personal, ...rest } = value;
    if (details && personal) {
      // An event of an export.
      const isComplete = isObject(details) && isObject(personal);
      return normalized({ ...rest, ...NOT_IMITATED, isComplete });
    }
    // In a fixed order, because numbers are given in the order of appearance.
    const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
    return Object.fromEntries(entries.map(([name, item]) => [name, normalized(item, name)]));
  }

  function normalizedHeaders({ date, ...headers }: RawAnswer["headers"]): unknown {
    const wait = headers["retry-after"];
    return normalized({
      ...headers,
      ...(date && { date: Math.abs(Date.parse(date) - Date.now()) < 30_000 ? "<now>" : date }),
      // It counts down.
      ...(wait && { "retry-after": /^[1-9]\d*$/.test(wait) ? "<seconds>" : wait }),
    });
  }

  return ({ status, cookie, headers, body }: RawAnswer) => ({
    status,
    cookie,
    body: normalized(body),
    headers: normalizedHeaders(headers),
  });
}

export type NormalAnswer = ReturnType<ReturnType<typeof createNormalizer>>;
