import { memoryCredentials, storageCredentials, type SessionStoreOptions } from "@maria/sessions";
import { tabStorage } from "./history";

const STARTS = ["interaction", "load", "manual"] as const;
const CREDENTIALS = ["cookie", "memory", "session"] as const;

/** How this page keeps its session, as its address says: `?start=load&credential=memory`. */
export interface DemoOptions {
  /** When a session begins. */
  start: (typeof STARTS)[number];
  /** Where the proof lies: the browser's cookie, or a bearer token in memory or `sessionStorage`. */
  credential: (typeof CREDENTIALS)[number];
}

/** Read the page's query; what it does not name, or names wrongly, is as the package has it. */
export function readOptions(query: string): DemoOptions {
  const wanted = new URLSearchParams(query);
  return {
    start: STARTS.find((start) => start === wanted.get("start")) ?? "interaction",
    credential: CREDENTIALS.find((name) => name === wanted.get("credential")) ?? "cookie",
  };
}

/** The same as the package wants to hear it. */
export function storeOptions({ start, credential }: DemoOptions): SessionStoreOptions {
  const autoStart = start;
  if (credential === "cookie") return { autoStart };
  const storage = credential === "session" ? tabStorage() : null;
  return {
    autoStart,
    credentialStore: storage ? storageCredentials(storage) : memoryCredentials(),
  };
}
