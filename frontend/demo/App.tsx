import {
  FileUpload,
  ResetSession,
  SessionProvider,
  useSession,
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

/** The buttons that reset or end the session. */
function SessionActions() {
  const { status } = useSession();
  return (
    <div className="row">
      {status === "idle" && <p>There is no session in this browser.</p>}
      <ResetSession />
      <EndSession />
    </div>
  );
}

/** The demo page: scripted answers, but a real session with real files. */
export function App({ options }: { options: DemoOptions }) {
  const [history] = useState(() => createHistory());
  const [storeConfig] = useState(() => storeOptions(options));
  const [lastChange, setLastChange] = useState<ChangeReason | null>(null);

  /** Delete the old conversation: the next session may be another person's. */
  function handleSessionChange(
    previous: string | null,
    next: string | null,
    reason: ChangeReason,
  ): void {
    history.forget("");
    if (previous) history.forget(previous);
    history.add(next ?? "", { who: "page", text: CHANGES[reason] });
    setLastChange(reason);
  }

  return (
    <SessionProvider
      options={storeConfig}
      language={english}
      onSessionChanged={handleSessionChange}
    >
      <header className="page-header">
        <img src={mark} alt="" width="44" height="44" />
        <div>
          <h1>Maria</h1>
          <p>Session demo</p>
        </div>
        <DataSheet />
      </header>
      <main>
        <Conversation history={history} />
        <div className="sidebar">
          <div className="card">
            <h2>Your files</h2>
            <FileUpload />
            <WhereAreMyFiles />
          </div>
          <section className="card" aria-labelledby="session">
            <h2 id="session">Your session</h2>
            <SessionActions />
            <Developer options={options} lastChange={lastChange} />
          </section>
        </div>
      </main>
      <footer>
        <nav aria-label="Other pages">
          <a href="/about/">About</a>
          <a href="/admin/">Admin</a>
          <a href="/api/docs/">API</a>
          <a href="/health/ready">Health</a>
        </nav>
      </footer>
    </SessionProvider>
  );
}
