import type { ChangeReason } from "@maria/sessions";
import type { ConsentText } from "@maria/sessions/your-data";

/** What a visitor of this page can agree to; as the server's `CONSENT_PURPOSES`. */
export const CONSENTS: readonly ConsentText[] = [
  {
    purpose: "contact",
    version: "2026-11",
    label: "Maria's people may write to me about what I asked.",
  },
  {
    purpose: "improvement",
    version: "2026-11",
    label: "My conversation may be used to make Maria better.",
  },
];

export const GREETING =
  "Hello! I am only a stand-in: Maria herself is not connected to this page, and nobody reads what you write. What is real is everything around it: your session, your files and what is kept about you. Write something, and I will tell you what to try.";

/** What the stand-in says, in turn: each an invitation to try something. */
const ANSWERS = [
  "Thank you. The server has just vouched for your session, as it would for Maria before she answers. Try this: reload the page. Your session and this conversation will still be here.",
  "Now send a PDF under “Your files”, or drop one there. Then try one that is too large, or a picture, and see what you are told.",
  "Open this page in a second tab: it is the same session. Start again in one of them, and the other follows.",
  "Stop the server for a moment and write again. Nothing is lost: the page waits, and says so.",
  "Look into “Your data”: what happened in your session, everything to take along, and the button that erases it.",
  "Note your support code from “Where are my files?”, find it in the admin, and close the session there. Then come back to this tab.",
];

/** The stand-in's answer to a visitor's message, by how many came before it. */
export const answer = (before: number): string => ANSWERS[before % ANSWERS.length] ?? GREETING;

/** What the conversation says when the session has become another. */
export const CHANGES: Record<ChangeReason, string> = {
  started: "Your session has begun.",
  restored: "Your session is back.",
  adopted: "You go on with the session that this browser had.",
  reset: "A new session has begun. This page has forgotten the conversation before.",
  recovered: "Support has brought this session back.",
  ended: "Your session has ended. Writing begins a new one.",
  erased: "Everything was erased. Writing begins a new session.",
  other_tab: "Another tab has changed the session.",
};
