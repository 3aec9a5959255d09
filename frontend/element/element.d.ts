import type { SessionError } from "./api/http.js";
import type { Upload } from "./api/uploadApi.js";
import type { Messages } from "./language.js";
import type { ChangeReason, SessionStoreOptions } from "./store/sessionState.js";
import type { UploadItem, UploadStoreOptions } from "./store/uploadItems.js";

/** The events of the element, and those that every element has. */
export interface MariaUploadsEventMap extends HTMLElementEventMap {
  "maria-stored": CustomEvent<Upload>;
  "maria-error": CustomEvent<{ error: SessionError; item: UploadItem }>;
  "maria-session-changed": CustomEvent<{
    previous: string | null;
    next: string | null;
    reason: ChangeReason;
  }>;
}

type Listener<E extends Event> = (this: MariaUploads, event: E) => unknown;

/** `<maria-uploads>`: the status line, the files and the alert of a session, without React. */
export declare class MariaUploads extends HTMLElement {
  /** The language of the element: `english`, unless you set another one. */
  language: Messages;
  /** Texts that replace some of the language's. */
  messages: Partial<Messages>;
  /** Options of the stores. Set them before the element is connected. */
  options: Omit<SessionStoreOptions, "onSessionChanged"> | undefined;
  uploads: UploadStoreOptions | undefined;

  addEventListener<Name extends keyof MariaUploadsEventMap>(
    type: Name,
    listener: Listener<MariaUploadsEventMap[Name]>,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Name extends keyof MariaUploadsEventMap>(
    type: Name,
    listener: Listener<MariaUploadsEventMap[Name]>,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "maria-uploads": MariaUploads;
  }
}
