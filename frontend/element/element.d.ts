import type { SessionProviderProps } from "./contexts/SessionContext.js";
import type { Messages } from "./language.js";

/** `<maria-uploads>`: the status line, the files and the alert of a session, without React. */
export declare class MariaUploads extends HTMLElement {
  /** The language of the element: `english`, unless you set another one. */
  language: Messages;
  /** Texts that replace some of the language's. */
  messages: Partial<Messages>;
  /** Options of the stores. Set them before the element is connected. */
  options: SessionProviderProps["options"];
  uploads: SessionProviderProps["uploads"];
}

declare global {
  interface HTMLElementTagNameMap {
    "maria-uploads": MariaUploads;
  }
}
