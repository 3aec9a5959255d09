import type { ContractServer } from "./clients.js";
import { createPlayer, type Step } from "./player.js";
import { askForRevisions } from "./revisions.js";
import { createSessions, endSessions, proveSessions, replaceSessions } from "./sessions.js";
import { announceFiles, sendDirectly, uploadFiles } from "./uploads.js";
import { identifyVisitors, listEvents, recoverSessions } from "./visitors.js";

type Script = (server: ContractServer) => Promise<Map<string, Step>>;

function script(...parts: ((player: ReturnType<typeof createPlayer>) => Promise<void>)[]): Script {
  return async (server) => {
    const player = createPlayer(server);
    for (const part of parts) await part(player);
    return player.steps;
  };
}

/** The requests that both servers get, by the kind of server that they need. */
export const SCRIPTS = {
  usual: script(
    createSessions,
    proveSessions,
    replaceSessions,
    endSessions,
    identifyVisitors,
    listEvents,
    recoverSessions,
    uploadFiles,
    announceFiles,
    askForRevisions,
  ),
  /** The storage takes files from browsers. */
  direct: script(sendDirectly),
} satisfies Record<string, Script>;
