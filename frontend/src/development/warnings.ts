import type { Http } from "../api/http.js";
import { development } from "../store/sessionStore.js";
import { later } from "../utils/time.js";

/**
 * Warns in the console of settings that are usually wrong, each once: CORS, the page's policy, the
 * API's address, and cookies that the browser refuses. Only development builds contain it.
 */
development.inspect = (http, now) => {
  const { href, origin } = new URL(http.baseUrl, location.href);
  const credential = credentials.get(http) ?? http.credential();
  credentials.set(http, credential);
  origins.add(origin);
  if (credential !== http.credential()) {
    warn(
      `The browser refuses the cookie of ${origin}, so a reload loses the session. Serve the API on the site of the page, or set the option credentialStore.`,
    );
  }
  if (!("error" in now)) return;
  const { code, status } = now.error;
  if (code === "origin_not_allowed") warnOfOrigin(href);
  if (code === "unreadable" && status < 500) {
    warn(
      `${href} does not answer like the API (status ${status}). Set the option baseUrl to the address of the API, or let the server of the page pass on its requests.`,
    );
  }
  if (code === "network") void explain(href, origin);
};

/** What each store used first as its proof. */
const credentials = new WeakMap<Http, string>();
const origins = new Set<string>();
const said = new Set<string>();
/** Origins that the page's policy has blocked. */
const blocked = new Set<string>();

/** Time for the browser to report that the policy has blocked a request. */
const REPORTED = 200;

function warn(text: string): void {
  if (said.has(text)) return;
  said.add(text);
  console.warn(`@maria/sessions: ${text}`);
}

const warnOfOrigin = (href: string) =>
  warn(
    `${href} refuses pages of ${location.origin} (CORS). Add this origin to the setting ALLOWED_ORIGINS of its server.`,
  );

/** Find out why there was no answer. A page may not see it, but ask whether anything answers. */
async function explain(href: string, origin: string): Promise<void> {
  const isThere = await fetch(href, { mode: "no-cors" }).then(
    () => true,
    () => false,
  );
  await new Promise((resolve) => later(REPORTED, () => resolve(null)));
  if (blocked.has(origin)) return;
  if (isThere && origin !== location.origin) warnOfOrigin(href);
  if (!isThere) warn(`${href} does not answer. Start its server, or set the option baseUrl.`);
}

if (typeof document === "object") {
  document.addEventListener("securitypolicyviolation", ({ blockedURI }) => {
    const origin = [...origins].find((one) => blockedURI.startsWith(one));
    if (!origin) return;
    blocked.add(origin);
    warn(`The Content-Security-Policy of the page blocks ${origin}. Add it to connect-src.`);
  });
}
