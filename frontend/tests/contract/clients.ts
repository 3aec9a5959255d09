/** Browsers of the fake server and of a real one, with the same methods. */
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import { readAnswer, type RawAnswer } from "./normalize.js";

export interface Sent {
  method: string;
  /** With the query: `uploads/?cursor=1`. */
  path: string;
  headers: Record<string, string>;
  body: string | FormData | undefined;
}

/** A browser with a cookie of its own. */
export interface ContractBrowser {
  cookie: string | null;
  send(sent: Sent): Promise<RawAnswer>;
}

/** A server, and what happens there without a request of a visitor. */
export interface ContractServer {
  browser(): ContractBrowser;
  /** A recovery code from support. */
  recoveryCode(uuid: string): Promise<string>;
  /** Support revokes a session. */
  revoke(uuid: string): Promise<unknown>;
  /** The time of a session is over. */
  expire(uuid: string): Promise<unknown>;
  /** Support quarantines the session's only file. */
  quarantine(uuid: string): Promise<unknown>;
  /** The code that was mailed last. */
  mailedCode(): Promise<string>;
  /** From now on the session has exported as often as it may. */
  exhaustExports(): void;
  /** The storage's answer to a form of a direct upload. */
  postForm(url: string, form: FormData): Promise<number>;
}

export function fakeServer(server: FakeServer = createFakeServer()): ContractServer {
  return {
    browser() {
      const browser = server.browser();
      return Object.assign(browser, {
        async send({ method, path, headers, body }: Sent) {
          const before = browser.cookie;
          const init = { method, headers, ...(body !== undefined && { body }) };
          const response = await browser.fetch(`/api/v1/${path}`, init);
          const changed = browser.cookie ? "set" : "deleted";
          return readAnswer(response, before === browser.cookie ? "same" : changed);
        },
      });
    },
    recoveryCode: (uuid) => Promise.resolve(server.issueRecoveryCode(uuid)),
    revoke: (uuid) => Promise.resolve(server.close("revoked", uuid)),
    expire: (uuid) => Promise.resolve(server.close("expired", uuid)),
    quarantine(uuid) {
      Object.assign(server.session(uuid).files[0]!.upload, { status: "quarantined" });
      return Promise.resolve();
    },
    mailedCode: () => Promise.resolve(server.emails.at(-1)!.code),
    exhaustExports: () =>
      server.failNext({ path: "sessions/current/export/", code: "rate_limited" }),
    async postForm(url, body) {
      return (await server.fetch(url, { method: "POST", body, credentials: "omit" })).status;
    },
  };
}

/**
 * @param origin the address of the real server
 * @param control the address where the test that started it does the rest
 */
export function realServer(origin: string, control: string): ContractServer {
  const ask = async (act: string, uuid = "") =>
    (await (await fetch(`${control}/${act}/${uuid}`)).json()) as string;
  return {
    browser: () => realBrowser(origin),
    recoveryCode: (uuid) => ask("recovery_code", uuid),
    revoke: (uuid) => ask("revoke", uuid),
    expire: (uuid) => ask("expire", uuid),
    quarantine: (uuid) => ask("quarantine", uuid),
    mailedCode: () => ask("mailed_code"),
    exhaustExports: () => undefined, // Its limit is one.
    postForm: async (url, body) => (await fetch(url, { method: "POST", body })).status,
  };
}

function realBrowser(origin: string): ContractBrowser {
  const browser: ContractBrowser = {
    cookie: null,
    async send({ method, path, headers, body }) {
      const { cookie } = browser;
      const response = await fetch(`${origin}/api/v1/${path}`, {
        method,
        headers: { ...headers, ...(cookie !== null && { Cookie: `maria_session=${cookie}` }) },
        body: body ?? null,
      });
      const [set] = response.headers.getSetCookie();
      if (!set) return readAnswer(response, "same");
      const value = /^maria_session=([^;]*)/.exec(set)?.[1] ?? "";
      browser.cookie = value && value !== '""' ? value : null;
      return readAnswer(response, browser.cookie ? "set" : "deleted");
    },
  };
  return browser;
}
