/** Sends the requests of the script to one server, and keeps the answers. */
import type { ContractBrowser, ContractServer } from "./clients.js";
import { createNormalizer, type NormalAnswer, type RawAnswer } from "./normalize.js";

/** The fields of the API's documents that the script uses. */
interface Fields {
  uuid: string;
  id: string;
  token: string;
  code: string;
  next: string;
  previous: string;
  upload: { url: string; fields: Record<string, string> };
}

interface Extras {
  uuid?: string | undefined;
  /** The Idempotency-Key. */
  key?: string;
  token?: string;
  headers?: Record<string, string>;
  /** A document, a text that is sent as it is, or a form. */
  body?: object | string;
}

export interface Step {
  /** Like `POST sessions/`, with `{id}` for an id of a file, and without the query. */
  request: string;
  code: string | undefined;
  answer: NormalAnswer;
}

export type Player = ReturnType<typeof createPlayer>;

const JSON_TYPE = { "Content-Type": "application/json" };

export function createPlayer(server: ContractServer) {
  const steps = new Map<string, Step>();
  const normalize = createNormalizer();

  /** Send one request. @param title what it tries; unique */
  async function ask(
    title: string,
    browser: ContractBrowser,
    line: string,
    { uuid, key, token, headers, body }: Extras = {},
  ): Promise<RawAnswer & { body: Fields }> {
    if (steps.has(title)) throw new Error(`Two steps are called “${title}”.`);
    const [method = "", path = ""] = line.split(" ");
    const isDocument = body !== undefined && !(body instanceof FormData);
    const answer = await browser.send({
      method,
      path,
      headers: {
        ...(uuid !== undefined && { "X-Session-UUID": uuid }),
        ...(key !== undefined && { "Idempotency-Key": key }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(isDocument && JSON_TYPE),
        ...headers,
      },
      body: isDocument && typeof body === "object" ? JSON.stringify(body) : body,
    });
    const fields = answer.body as Fields;
    const request = line.replace(/\?.*/, "").replace(/uploads\/[0-9a-f-]{36}\//, "uploads/{id}/");
    steps.set(title, { request, code: fields.code, answer: normalize(answer) });
    return { ...answer, body: fields };
  }

  /** A browser with a new session. */
  async function visitor(title: string) {
    const browser = server.browser();
    const { body } = await ask(`${title} begins`, browser, "POST sessions/", { body: {} });
    const { uuid } = body;
    return {
      browser,
      uuid,
      /** Send a request with the session's proof and UUID. */
      ask: (step: string, line: string, extras: Extras = {}) =>
        ask(`${title}: ${step}`, browser, line, { uuid, ...extras }),
    };
  }

  return { server, steps, ask, visitor };
}

export type ContractVisitor = Awaited<ReturnType<Player["visitor"]>>;
