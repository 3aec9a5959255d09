import { render, type ComponentChild } from "preact";
import { FileUpload } from "../src/components/FileUpload.js";
import { SessionResetAlert } from "../src/components/shared/SessionResetAlert.js";
import { SessionStatus } from "../src/components/SessionStatus.js";
import { SessionProvider } from "../src/contexts/SessionContext.js";
import { english } from "../src/en.js";
import type { Messages } from "../src/language.js";
import type { SessionStoreOptions } from "../src/store/sessionState.js";
import type { UploadStoreOptions } from "../src/store/uploadItems.js";
import css from "./element.css?inline";

/** One for all elements: a page's policy allows adopted style sheets. */
const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

export class MariaUploads extends HTMLElement {
  static readonly observedAttributes = ["accept", "max-files", "compact", "disabled"];

  private ownLanguage: Messages = english;
  private ownMessages: Partial<Messages> = {};
  /** Options of the stores, beyond those that are attributes. Read when the element is connected. */
  declare options: Omit<SessionStoreOptions, "onSessionChanged"> | undefined;
  declare uploads: UploadStoreOptions | undefined;
  declare private read: MariaUploads["options"];

  constructor() {
    super();
    // What a page has set before this script was loaded hides the accessors.
    const { language, messages } = this;
    delete (this as Partial<MariaUploads>).language;
    delete (this as Partial<MariaUploads>).messages;
    Object.assign(this, { language, messages });
  }

  get language(): Messages {
    return this.ownLanguage;
  }

  set language(language: Messages) {
    this.ownLanguage = language;
    this.update();
  }

  get messages(): Partial<Messages> {
    return this.ownMessages;
  }

  set messages(messages: Partial<Messages>) {
    this.ownMessages = messages;
    this.update();
  }

  connectedCallback(): void {
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [sheet];
    const autoStart = this.getAttribute("auto-start") as "interaction" | "load" | "manual" | null;
    this.read ??= {
      baseUrl: this.getAttribute("base-url") ?? undefined,
      autoStart: autoStart ?? undefined,
      ...this.options,
    };
    this.update();
  }

  disconnectedCallback(): void {
    this.draw(null);
  }

  attributeChangedCallback(): void {
    this.update();
  }

  private emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(`maria-${name}`, { detail, bubbles: true }));
  }

  private draw(content: unknown): void {
    if (this.shadowRoot) render(content as ComponentChild, this.shadowRoot);
  }

  private update(): void {
    if (!this.isConnected || !this.shadowRoot) return;
    const maxFiles = Number(this.getAttribute("max-files")) || undefined;
    this.draw(
      <SessionProvider
        options={this.read}
        uploads={this.uploads}
        language={this.ownLanguage}
        messages={this.ownMessages}
        onSessionChanged={(previous, next, reason) =>
          this.emit("session-changed", { previous, next, reason })
        }
      >
        <SessionStatus />
        <FileUpload
          accept={this.getAttribute("accept") ?? undefined}
          maxFiles={maxFiles}
          compact={this.hasAttribute("compact")}
          disabled={this.hasAttribute("disabled")}
          onStored={(upload) => this.emit("stored", upload)}
          onError={(error, item) => this.emit("error", { error, item })}
        />
        <SessionResetAlert />
      </SessionProvider>,
    );
  }
}

if (!customElements.get("maria-uploads")) customElements.define("maria-uploads", MariaUploads);
