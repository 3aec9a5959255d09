import type { Schemas } from "../api/http.js";
import type { ApiRequest } from "./fakeSessions.js";
import { Refusal } from "./refusals.js";

const REQUIRED = "This field is required.";
const MISMATCH = "This value does not match the required pattern.";
const NOT_NULL = "This field may not be null.";

export const NO_BOOLEAN = "Must be a valid boolean.";
const YES = /^(t|y|yes|true|on|1)$/i;
const NO = /^(f|n|no|false|off|0)$/i;

/** A boolean as the API reads it, or undefined for any other value. */
export const booleanOf = (value: unknown): boolean | undefined =>
  YES.test(String(value)) || (NO.test(String(value)) ? false : undefined);

interface TextRule {
  /** The largest number of characters. */
  most?: number;
  pattern?: RegExp;
  /** What is wrong with a value that does not match the pattern. */
  wrong?: string;
  isOptional?: boolean;
  mayBeEmpty?: boolean;
  /** Whether spaces around the text are part of it. */
  isExact?: boolean;
  /** Changes the text before it is checked. */
  clean?(text: string): string;
}

/** What Python calls the type of a JSON value. */
function pythonType(value: unknown): string {
  if (Array.isArray(value)) return "list";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  return typeof value === "boolean" ? "bool" : typeof value === "string" ? "str" : "dict";
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value instanceof Object && !Array.isArray(value);

/** The JSON document of a request; empty without a body. @throws Refusal */
function documentOf({ body, headers }: ApiRequest): Record<string, unknown> {
  if (body === undefined) return {};
  const type = headers.get("Content-Type") ?? "";
  if (!/^application\/json *(;|$)/i.test(type)) throw new Refusal("unsupported_media_type");
  if (!isObject(body)) throw new Refusal("malformed_body");
  return body;
}

/** Reads the fields of a JSON body. `done()` refuses the request if one was not valid. */
export function readFields(request: ApiRequest) {
  const values = documentOf(request);
  const errors: NonNullable<Schemas["InvalidInput"]["errors"]> = {};

  function refuse(name: string, code: string, detail: string): void {
    errors[name] = [{ code, detail }];
  }

  /** Whether there is a value to check. */
  function isGiven(name: string, value: unknown, isOptional = false): boolean {
    if (value === undefined && !isOptional) refuse(name, "required", REQUIRED);
    if (value === null) refuse(name, "null", NOT_NULL);
    return value != null;
  }

  /** A text; undefined if it is missing or not valid. */
  function text(
    name: string,
    { most = Infinity, pattern, wrong = MISMATCH, ...rule }: TextRule,
    value = values[name],
  ): string | undefined {
    const { isOptional, mayBeEmpty, isExact, clean } = rule;
    if (!isGiven(name, value, isOptional)) return undefined;
    if (typeof value !== "string" && typeof value !== "number") {
      refuse(name, "invalid", pattern ? wrong : "Not a valid string.");
      return undefined;
    }
    const given = isExact ? String(value) : String(value).trim();
    const kept = clean ? clean(given) : given;
    if (!given && !mayBeEmpty) {
      refuse(name, "blank", "This field may not be blank.");
    } else if (Array.from(kept).length > most) {
      refuse(name, "max_length", `Ensure this field has no more than ${most} characters.`);
    } else if (given && pattern && !pattern.test(kept)) {
      refuse(name, "invalid", wrong);
    }
    return kept;
  }

  function consentChange(name: string, answer: unknown): Schemas["ConsentChange"] {
    const { granted, version } = (answer ?? {}) as Partial<Schemas["ConsentChange"]>;
    if (answer !== null && !isObject(answer)) {
      const detail = `Invalid data. Expected a dictionary, but got ${pythonType(answer)}.`;
      refuse(`${name}.non_field_errors`, "invalid", detail);
    } else if (isGiven(name, answer)) {
      if (isGiven(`${name}.granted`, granted) && booleanOf(granted) === undefined) {
        refuse(`${name}.granted`, "invalid", NO_BOOLEAN);
      }
      const pattern = /^[A-Za-z0-9._-]{1,40}$/;
      text(`${name}.version`, { pattern }, version);
    }
    return { granted: booleanOf(granted) ?? false, version: String(version) };
  }

  return {
    text,

    choice<T extends string>(name: string, choices: readonly T[], usual: T): T {
      const value = values[name];
      if (value === undefined) return usual;
      const found = choices.find((choice) => choice === value);
      if (isGiven(name, value) && !found) {
        refuse(
          name,
          "invalid_choice",
          `"${JSON.stringify(value).replace(/^"|"$/g, "")}" is not a valid choice.`,
        );
      }
      return found ?? usual;
    },

    /** A whole number that is not negative. */
    size(name: string): number {
      const value = values[name];
      if (isGiven(name, value)) {
        const number = Number(value);
        if (typeof value === "boolean" || !Number.isInteger(number)) {
          refuse(name, "invalid", "A valid integer is required.");
        } else if (number < 0) {
          refuse(name, "min_value", "Ensure this value is greater than or equal to 0.");
        }
      }
      return Number(value);
    },

    /** The answers to purposes. */
    consent(purposes: readonly string[]): Record<string, Schemas["ConsentChange"]> {
      const { consent } = values;
      if (!isGiven("consent", consent, true)) return {};
      if (!isObject(consent)) {
        const type = pythonType(consent);
        refuse("consent", "not_a_dict", `Expected a dictionary of items but got type "${type}".`);
        return {};
      }
      const before = Object.keys(errors).length;
      const answers = Object.entries(consent).map(
        ([purpose, answer]) => [purpose, consentChange(`consent.${purpose}`, answer)] as const,
      );
      const unknown = Object.keys(consent).filter((purpose) => !purposes.includes(purpose));
      if (unknown.length && Object.keys(errors).length === before) {
        const [listed, known] = [unknown.sort().join(", "), purposes.join(", ")];
        refuse("consent", "invalid", `Unknown purpose ${listed}: choose from ${known}.`);
      }
      return Object.fromEntries(answers);
    },

    refuse,

    done(): void {
      if (Object.keys(errors).length) throw new Refusal("invalid_input", { errors });
    },
  };
}
