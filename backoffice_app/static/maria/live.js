// Asks every few seconds whether the page has changed, and renews its parts (`data-live`).
// Without JavaScript a page shows the state in which it was opened, until it is reloaded.
import { renew } from "./renew.js";
import { hideRevealed } from "./signed_out.js";
import { showToast } from "./toasts.js";

const INTERVAL = 4_000;
// After failures the interval is doubled up to this.
const LONGEST = 60_000;
const TIMEOUT = 10_000;

const attention = document.getElementById("attention");
// The page's own address, or the one of the badge in the navigation.
const live = document.getElementById("live") ?? attention;
const notice = document.getElementById("signed-out");
let interval = INTERVAL;
// The problems that this page has shown. It learns them from its first answer.
let known = null;
let timer = 0;

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  let status = 0;
  try {
    status = await ask(live);
  } catch {
    // The server or the network does not answer.
  }
  interval = status ? INTERVAL : Math.min(2 * interval, LONGEST);
  placeNotice();
  notice.hidden = status !== 401;
  if (status === 401) hideRevealed();
  clearTimeout(timer);
  // Who may not see the page now asks again by returning to it.
  if (status < 400) timer = setTimeout(poll, interval);
}

/** Ask for what has changed and show it; return the status, or 0 if the answer says nothing. */
async function ask({ dataset }) {
  const answer = await fetch(dataset.liveAddress + location.search, {
    headers: dataset.liveRevision ? { "If-None-Match": dataset.liveRevision } : {},
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (answer.status === 200) {
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    dataset.liveRevision = answer.headers.get("ETag");
  } else if (answer.status === 401) {
    delete dataset.liveRevision; // after signing in, an answer with a new token for forms is due
  }
  return answer.status < 500 ? answer.status : 0;
}

function show(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) renew(part, fresh);
  }
  // Signing in again has replaced the token: a form that was filled in before can still be sent.
  const token = page.querySelector("[name=csrfmiddlewaretoken]");
  for (const field of document.getElementsByName("csrfmiddlewaretoken")) field.value = token.value;
  announceProblems();
  document.dispatchEvent(new Event("renewed"));
}

/** Show a message for each problem that is new. A count in its title may grow: that is not new. */
function announceProblems() {
  const titles = attention?.querySelector("[title]")?.title.split("\n") ?? [];
  const now = new Map(titles.map((title) => [title.replaceAll(/\d+/g, "0"), title]));
  const href = attention?.closest("a").href;
  for (const [kind, title] of now) {
    if (known && !known.has(kind)) showToast(title, "warn", { href, text: "Open the dashboard" });
  }
  known = now;
}

/** An open dialog makes everything outside it inert. */
function placeNotice() {
  const place = document.querySelector("dialog:modal") ?? document.body;
  if (notice.parentElement !== place) place.append(notice);
}

if (live) {
  document.addEventListener("close", placeNotice, true);
  document.addEventListener("visibilitychange", poll);
  addEventListener("focus", poll);
  if (live !== attention && attention) ask(attention).catch(() => {});
  if (live.dataset.liveRevision) timer = setTimeout(poll, interval);
  else poll();
}
