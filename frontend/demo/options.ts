import { memoryCredentials, storageCredentials, type SessionStoreOptions } from "@maria/sessions";
import { tabStorage } from "./history";

const STARTS = ["interaction", "load", "manual"] as const;
const CREDENTIALS = ["cookie", "memory", "session"] as const;

/** The options in the page's URL: `?start=load&credential=memory`. */
export interface DemoOptions {
  /** When a session starts. */
  start: (typeof STARTS)[number];
  /** Where the proof is kept: the browser's cookie, or a bearer token in memory or `sessionStorage`. */
  credential: (typeof CREDENTIALS)[number];
}

/** Read the page's query. Missing and unknown values get the package's defaults. */
export function readOptions(query: string): DemoOptions {
  const params = new URLSearchParams(query);
  return {
    start: STARTS.find((start) => start === params.get("start")) ?? "interaction",
    credential: CREDENTIALS.find((name) => name === params.get("credential")) ?? "cookie",
  };
}

/** Convert the options to those of the package. */
export function storeOptions({ start, credential }: DemoOptions): SessionStoreOptions {
  const autoStart = start;
  if (credential === "cookie") return { autoStart };
  const storage = credential === "session" ? tabStorage() : null;
  return {
    autoStart,
    credentialStore: storage ? storageCredentials(storage) : memoryCredentials(),
  };
}
