import {
  FileUpload,
  ResetSession,
  SessionProvider,
  useSessionUUID,
  WhereAreMyFiles,
  type ChangeReason,
} from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState } from "react";
import mark from "../../common/static/maria/mark.svg";
import { Conversation } from "./Conversation";
import { DataSheet } from "./DataSheet";
import { Developer } from "./Developer";
import { EndSession } from "./EndSession";
import { createHistory } from "./history";
import { storeOptions, type DemoOptions } from "./options";
import { CHANGES } from "./words";

/** The ways out of the session. */
function Leave() {
  const uuid = useSessionUUID();
  return (
    <div className="row">
      {!uuid && <p>There is none yet.</p>}
      <ResetSession />
      <EndSession />
    </div>
  );
}

/** The whole page: a conversation that nobody answers, around a session that is real. */
export function App({ options }: { options: DemoOptions }) {
  const [history] = useState(() => createHistory());
  const [kept] = useState(() => storeOptions(options));
  const [lastChange, setLastChange] = useState<ChangeReason | null>(null);

  /** Another session is another conversation, and perhaps another person's. */
  function change(previous: string | null, next: string | null, reason: ChangeReason): void {
    history.forget("");
    if (previous) history.forget(previous);
    history.add(next ?? "", { who: "page", text: CHANGES[reason] });
    setLastChange(reason);
  }

  return (
    <SessionProvider options={kept} messages={english} onSessionChanged={change}>
      <header className="page-header">
        <img src={mark} alt="" width="44" height="44" />
        <div>
          <h1>Maria</h1>
          <p>Try her sessions</p>
        </div>
        <DataSheet />
      </header>
      <main>
        <Conversation history={history} />
        <div className="aside">
          <div className="card">
            <h2>Your files</h2>
            <FileUpload />
            <WhereAreMyFiles />
          </div>
          <section className="card" aria-labelledby="session">
            <h2 id="session">Your session</h2>
            <Leave />
            <Developer options={options} lastChange={lastChange} />
          </section>
        </div>
      </main>
      <footer>
        <nav aria-label="Elsewhere">
          <a href="/about/">About</a>
          <a href="/admin/">Admin</a>
          <a href="/api/docs/">API</a>
          <a href="/health/ready">Health</a>
        </nav>
      </footer>
    </SessionProvider>
  );
}
