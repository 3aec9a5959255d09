import type { ResetReason, Schemas, SessionError } from "../api/http.js";
import type { CurrentSession } from "../api/sessionApi.js";
import type { CredentialStore, KeyValueStorage } from "../utils/sessionUtils.js";

/** The state of the session. Each state has only the fields that are valid in it. */
export type SessionState =
  | { status: "idle"; uuid: null }
  | { status: "starting"; uuid: null }
  /** Usable. `session` is null until the server has confirmed it. */
  | { status: "ready"; uuid: string }
  /** Usable, but it expires soon unless the visitor continues. */
  | { status: "expiring"; uuid: string }
  /** The server does not answer. Nothing is lost. `retryAt` is in milliseconds. */
  | { status: "offline"; uuid: string | null; error: SessionError; retryAt: number }
  /** The session has ended, and it had files. */
  | {
      status: "reset_required";
      uuid: string;
      reason: ResetReason;
      lost: Schemas["Lost"];
      endedSupportCode: string;
    }
  /** The browser's proof belongs to another session than the stored UUID. */
  | { status: "mismatch"; uuid: string; provenSupportCode: string }
  /** The server refuses. The same request will fail again. */
  | { status: "failed"; uuid: string | null; error: SessionError };

/** The state, and the data that every state has. Immutable: each change creates a new object. */
export type SessionSnapshot = SessionState & {
  /** The session as the server last described it: limits, usage, contact details. */
  session: CurrentSession | null;
  /** The code that the visitor gives to support. */
  supportCode: string | null;
  previousSupportCode: string | null;
  /** False if a reload loses the session. */
  persistent: boolean;
};

export type ChangeReason =
  "started" | "restored" | "adopted" | "reset" | "recovered" | "ended" | "erased" | "other_tab";

export type OnSessionChanged = (
  previous: string | null,
  next: string | null,
  reason: ChangeReason,
) => void;

/** What a session store reports to `on`, with its arguments. */
export interface SessionEvents {
  /** The UUID has changed. */
  changed: Parameters<OnSessionChanged>;
}

export interface SessionStoreOptions {
  /** The API's URL, with or without a slash at its end. Default: `/api/v1/` on the page's host. */
  baseUrl?: string | undefined;
  /** When to create a session: at the first key or click (default), at once, or by `start()`. */
  autoStart?: "interaction" | "load" | "manual" | undefined;
  /** Where to keep a bearer token. Without it the browser's cookie is the proof. */
  credentialStore?: CredentialStore | undefined;
  /** Milliseconds before its end at which a session counts as expiring. Default: five minutes. */
  expiringWithin?: number | undefined;
  /** Milliseconds after which a request fails with `timeout`. Default: fifteen seconds. */
  timeout?: number | undefined;
  /**
   * Whether an open page asks every few seconds if the session or its files have changed, and looks
   * at other tabs. Default: true.
   */
  live?: boolean | undefined;
  onSessionChanged?: OnSessionChanged | undefined;
  /** Where to store the UUID, under `session_uuid`. Default: `localStorage`. */
  storage?: KeyValueStorage | undefined;
  fetch?: typeof globalThis.fetch | undefined;
}

export const IDLE = { status: "idle", uuid: null } as const;
