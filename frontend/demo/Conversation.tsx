import { SessionError, SessionResetAlert, SessionStatus, useSession } from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState, useSyncExternalStore, type SubmitEvent } from "react";
import type { History, Line } from "./history";
import { answer, GREETING } from "./words";

const SPEAKERS: Record<Line["who"], string> = { visitor: "You: ", maria: "Maria: ", page: "" };

/** What was said in this session, and a field to say more. The first message begins a session. */
export function Conversation({ history }: { history: History }) {
  const session = useSession();
  const uuid = session.uuid ?? "";
  const lines = useSyncExternalStore(history.subscribe, () => history.read(uuid));

  /** Maria's page would hand the assertion to her back end with the message. @throws SessionError */
  async function say(text: string): Promise<void> {
    await session.assertion();
    const now = session.getSnapshot().uuid ?? "";
    const before = history.read(now).filter(({ who }) => who === "visitor").length;
    history.add(now, { who: "visitor", text }, { who: "maria", text: answer(before) });
  }

  return (
    <section className="card conversation" aria-labelledby="conversation">
      <h2 id="conversation">Conversation</h2>
      <Log lines={lines} />
      <div className="news">
        <SessionStatus />
        <SessionResetAlert />
      </div>
      <Composer onSay={say} />
    </section>
  );
}

function Log({ lines }: { lines: readonly Line[] }) {
  return (
    <div role="log" aria-label="What was said" tabIndex={0} className="log">
      <div>
        <Said who="maria" text={GREETING} />
        {lines.map((line, index) => (
          <Said key={index} {...line} />
        ))}
      </div>
    </div>
  );
}

function Said({ who, text }: Line) {
  return (
    <p className="line" data-who={who}>
      <span className="unseen">{SPEAKERS[who]}</span>
      {text}
    </p>
  );
}

function Composer({ onSay }: { onSay: (text: string) => Promise<void> }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<SessionError | null>(null);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const message = text.trim();
    if (busy || !message) return;
    setBusy(true);
    setError(null);
    try {
      await onSay(message);
      // What was typed meanwhile is the next message.
      setText((now) => (now === text ? "" : now));
    } catch (thrown) {
      if (!(thrown instanceof SessionError)) throw thrown;
      setError(thrown);
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className="composer" onSubmit={(event) => void submit(event)}>
      {error && (
        <p role="alert" className="maria-error">
          Not sent. {english.error(error)}
        </p>
      )}
      <label>
        <span className="unseen">Message</span>
        <input
          value={text}
          placeholder="Write to Maria…"
          autoComplete="off"
          enterKeyHint="send"
          maxLength={2000}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className="maria-primary" aria-disabled={busy}>
        Send
      </button>
    </form>
  );
}
