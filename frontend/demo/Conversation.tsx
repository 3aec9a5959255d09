import { SessionError, SessionResetAlert, SessionStatus, useSession } from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState, useSyncExternalStore, type SubmitEvent } from "react";
import type { History, Line } from "./history";
import { answer, GREETING } from "./words";

const SPEAKERS: Record<Line["who"], string> = { visitor: "You: ", maria: "Maria: ", page: "" };

/** The messages of this session and a field for the next one. The first message starts a session. */
export function Conversation({ history }: { history: History }) {
  const session = useSession();
  const uuid = session.uuid ?? "";
  const lines = useSyncExternalStore(history.subscribe, () => history.read(uuid));

  /**
   * Add a message and the scripted answer. A real page sends the assertion to the agent's back end.
   * @throws SessionError
   */
  async function sendMessage(text: string): Promise<void> {
    await session.assertion();
    const now = session.getSnapshot().uuid ?? "";
    const before = history.read(now).filter(({ who }) => who === "visitor").length;
    history.add(now, { who: "visitor", text }, { who: "maria", text: answer(before) });
  }

  return (
    <section className="card conversation" aria-labelledby="conversation">
      <h2 id="conversation">Conversation</h2>
      <Log lines={lines} />
      <div className="notices">
        <SessionStatus />
        <SessionResetAlert />
      </div>
      <Composer onSend={sendMessage} />
    </section>
  );
}

function Log({ lines }: { lines: readonly Line[] }) {
  return (
    <div role="log" aria-label="Messages" tabIndex={0} className="log">
      <div>
        <Message who="maria" text={GREETING} />
        {lines.map((line, index) => (
          <Message key={index} {...line} />
        ))}
      </div>
    </div>
  );
}

function Message({ who, text }: Line) {
  return (
    <p className="line" data-who={who}>
      <span className="visually-hidden">{SPEAKERS[who]}</span>
      <bdi>{text}</bdi>
    </p>
  );
}

function Composer({ onSend }: { onSend: (text: string) => Promise<void> }) {
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
      await onSend(message);
      // Keep what was typed while this message was sent.
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
        <span className="visually-hidden">Message</span>
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
