import type { ChangeReason } from "@maria/sessions";
import type { ConsentText } from "@maria/sessions/your-data";

/** The consents that this page asks for. Purposes must be in the server's `CONSENT_PURPOSES`. */
export const CONSENTS: readonly ConsentText[] = [
  {
    purpose: "contact",
    version: "2026-11",
    label: "You may contact me about my request.",
  },
  {
    purpose: "improvement",
    version: "2026-11",
    label: "You may use my conversation to improve Maria.",
  },
];

export const GREETING =
  "Hello! This is a demo. Maria is not connected, and nobody reads what you write here. Your session and your files are real. Write a message, and I will suggest something to try.";

/** The scripted answers, in order. Each suggests something to try. */
const ANSWERS = [
  "Thank you. The server has just confirmed your session, as it would before Maria answers. Try this: reload the page. Your session and this conversation will still be here.",
  "Now send a PDF under “Your files”, or drop one there. Then try a file that is too large, or a picture, and read the message.",
  "Open this page in a second tab: it has the same session. Start a new session in one tab, and the other tab changes too.",
  "Stop the server for a moment and write again. Your text stays in the field, and the page says why it was not sent.",
  "Open “Your data”. You can see what happened in your session, export your data and erase it.",
  "Copy your support code from “Where are my files?”, find it in the admin, and revoke the session there. Then return to this tab.",
];

/** The scripted answer to a message, given the number of messages before it. */
export const answer = (before: number): string => ANSWERS[before % ANSWERS.length] ?? GREETING;

/** The line in the conversation when the session has changed. */
export const CHANGES: Record<ChangeReason, string> = {
  started: "Your session has started.",
  restored: "Your session was restored.",
  adopted: "You are now in the session that this browser already had.",
  reset: "A new session has started. The previous conversation was deleted from this page.",
  recovered: "Support restored this session.",
  ended: "Your session has ended. Write a message to start a new one.",
  erased: "Your files and personal data were erased. Write a message to start a new session.",
  other_tab: "Another tab changed the session.",
};
