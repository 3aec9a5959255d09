/**
 * The true state, to compare with what the tabs show: the session of each piece of work, what the
 * server has stored, and which sessions the visitor or the server has ended.
 */
import type { Answer } from "../../src/api/http.js";
import type { FakeServer, FakeSession } from "../../src/testing/index.js";
import { DAY } from "../helpers.js";
import { elapsed } from "./globals.js";
import type { Sent } from "./network.js";
import type { Tab } from "./tab.js";

/** A file, a name, a code: something that the visitor gave to one session. */
export interface Work {
  /** The sessions that may have it. Empty: the next one that its page shows. */
  owners: Set<string>;
  /** Whether it has been sent, or is a file: then it no longer waits for a session. */
  isSent: boolean;
  /** How often a file was sent since the visitor has given it. */
  tries?: number;
}

const END = "DELETE sessions/current/";
const REVISION = "sessions/current/revision/";
const RESET = "POST sessions/current/reset/";
/** A sequence with more than this is in an endless loop. */
const LONGEST_LOG = 50_000;
/** The API's own codes of a refused proof. */
const REFUSALS = ["session_invalid", "session_required", "session_mismatch", "credentials_differ"];

export class Model {
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly works = new Map<string, Work>();
  /** Sessions that the visitor has asked to leave. */
  readonly left = new Set<string | null>();
  /** Sessions that a page has asked the server to end or to reset. It may have forgotten others. */
  readonly ended = new Set<string | null>();
  /** Sessions that the visitor has left: the page has said so. */
  readonly gone = new Set<string | null>();
  /** Tabs in which the visitor leaves whichever session it is, and how often. */
  private readonly leaving = new Map<Tab, number>();
  /** Sessions for which the API itself has answered 401. */
  readonly refused = new Set<string | null>();
  /** Session UUIDs by file id, for all files that were ever stored. */
  readonly files = new Map<string, string>();
  /** All names and codes that the server has ever accepted. */
  readonly accepted = new Set<string>();
  /** Names of files that the visitor has cancelled, and whether they had arrived. */
  readonly cancelled = new Map<string, boolean>();
  /** Support codes that "Not you?" must have deleted. */
  readonly forgotten = new Set<string>();
  /** The session that each tab knows to be proven: the latest answer about no certain one. */
  readonly proofs = new Map<Tab, string>();
  /** How often a late answer has replaced a newer proof. */
  overtaken = 0;
  requests = 0;
  /** Requests that ask whether anything has changed. */
  questions = 0;
  /** Answers to them that say that something may have changed. */
  news = 0;
  private readonly known: string[] = [];

  constructor(private readonly server: FakeServer) {}

  violate(what: string): void {
    this.note(`VIOLATION: ${what}`);
    this.violations.push(what);
  }

  note(what: string): void {
    if (this.log.length > LONGEST_LOG) throw new Error(`endless: ${what}`);
    const text = what.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, this.nameOf);
    this.log.push(`${elapsed().toFixed(1).padStart(9)} s  ${text}`);
  }

  /** A, B, C for the sessions in the order in which they are named. */
  private readonly nameOf = (uuid: string): string => {
    const at = this.known.includes(uuid) ? this.known.indexOf(uuid) : this.known.push(uuid) - 1;
    return `#${String.fromCharCode(65 + (at % 26))}`;
  };

  session = (uuid: string | null): FakeSession | undefined =>
    this.server.sessions.find((one) => one.uuid === uuid);

  isStored = (name: string): boolean =>
    this.server.sessions.some(({ files }) => files.some(({ upload }) => upload.name === name));

  /** Until the returned function is called, the visitor leaves what this tab shows or proves. */
  leave(tab: Tab): () => void {
    const count = (change: number) => this.leaving.set(tab, (this.leaving.get(tab) ?? 0) + change);
    count(1);
    return () => count(-1);
  }

  /** A late answer has replaced a newer proof: this session is proven again, also if it was left. */
  overtake(session: FakeSession | undefined): void {
    this.overtaken++;
    if (session) this.forgotten.delete(session.supportCode);
  }

  /** Whether the visitor has asked to leave this session. */
  mayLeave(uuid: string | null, tab: Tab): boolean {
    if (this.leaving.get(tab)) this.left.add(uuid);
    return this.left.has(uuid);
  }

  onTimer = (milliseconds: number): void => {
    if (!(milliseconds >= 0 && milliseconds <= DAY)) {
      this.violate(`a timer of ${milliseconds} ms is not within a day`);
    }
  };

  onRequest(sent: Sent): void {
    const { tab, method, path, uuid, body } = sent;
    if (path === REVISION) this.questions++;
    else this.requests++;
    this.note(`${tab.name} → ${method} ${path} ${uuid ?? ""} ${textsOf(body).join(" ")}`);
    for (const text of textsOf(body)) {
      const work = this.works.get(text);
      // Forms for the storage name no session; their upload was announced with it.
      if (!work || !uuid) continue;
      if (!work.owners.has(uuid)) this.violate(`${text} is sent in ${uuid}`);
      work.isSent = true;
      if (/^uploads\/(direct\/)?$/.test(path)) work.tries = (work.tries ?? 0) + 1;
    }
    const owner = this.files.get(path.split("/")[1] ?? "");
    if (owner && owner !== uuid) this.violate(`a file of ${owner} is named to ${uuid}`);
    const request = `${method} ${path}`;
    // A reset is done to the session that the browser proves, if it is not the one that is shown.
    const isProven = request === RESET && uuid === this.proofs.get(tab);
    const isEnd = request === RESET || request.startsWith(END);
    if (isEnd) this.ended.add(uuid);
    if (isEnd && !isProven && !this.mayLeave(uuid, tab)) {
      this.violate(`${uuid} is ended, which the visitor did not ask for`);
    }
  }

  onAnswer({ tab, method, path, uuid }: Sent, { status, text }: Answer): void {
    this.note(`${tab.name} ← ${method} ${path}: ${status}`);
    if (status === 200 && path === "sessions/current/" && !uuid) {
      this.proofs.set(tab, (JSON.parse(text) as { uuid: string }).uuid);
    }
    // The visitor has brought this session back, also if "Not you?" was asked for before.
    if (status === 200 && path === "sessions/recover/") {
      const recovered = JSON.parse(text) as { uuid: string; support_code: string };
      this.forgotten.delete(recovered.support_code);
      // A tab that was busy has never shown another one.
      this.gone.delete(recovered.uuid);
    }
    if (path === REVISION && status === 200) this.news++;
    if (status !== 401) return;
    const { code } = JSON.parse(text) as { code: string };
    if (REFUSALS.includes(code)) this.refused.add(uuid);
  }

  /** Note what the server has stored, and what it has now. */
  onExecuted({ method, path, uuid, body }: Sent, { status, text }: Answer): void {
    const isAccepted = status === 200 && (method === "PATCH" || path.endsWith("verify/"));
    if (isAccepted) for (const text of textsOf(body)) this.accepted.add(text);
    // The session may be erased before its files are looked at.
    const isStored = method === "POST" && /^uploads\/(.*complete\/)?$/.test(path) && status < 300;
    if (isStored && uuid) this.files.set((JSON.parse(text) as { id: string }).id, uuid);
    this.look();
  }

  /** Note what the server has now. */
  look(): void {
    for (const { uuid, name, files } of this.server.sessions) {
      if (name && this.works.get(name)?.owners.has(uuid) === false) {
        this.violate(`${name} is stored in ${uuid}`);
      }
      for (const { upload } of files) {
        this.files.set(upload.id, uuid);
        if (this.works.get(upload.name)?.owners.has(uuid) === false) {
          this.violate(`${upload.name} is stored in ${uuid}`);
        }
      }
    }
  }
}

/** The texts of a request's body that belong to one session. */
function textsOf(body: unknown): string[] {
  if (body instanceof FormData) return [(body.get("file") as File).name];
  const { name, code } = (body ?? {}) as { name?: string; code?: string };
  return [name, code].filter((text) => text !== undefined);
}
