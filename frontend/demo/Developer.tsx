import { SessionError, useSession, type ChangeReason } from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState, type ReactNode } from "react";
import type { DemoOptions } from "./options";

interface DeveloperProps {
  options: DemoOptions;
  /** Why the session last became another, since the page was loaded. */
  lastChange: ChangeReason | null;
}

/** What the package knows, and buttons for what no visitor would press. */
export function Developer({ options, lastChange }: DeveloperProps) {
  const session = useSession();
  const [said, setSaid] = useState("");

  const show = (ask: () => Promise<string>) => () => {
    ask().then(setSaid, (thrown: unknown) => {
      if (!(thrown instanceof SessionError)) throw thrown;
      setSaid(english.error(thrown));
    });
  };

  return (
    <details className="developer">
      <summary>For developers</summary>
      <dl>
        <Fact name="Session UUID">{session.uuid ?? "none"}</Fact>
        <Fact name="Status">{session.status}</Fact>
        {"error" in session && <Fact name="Error">{session.error.code}</Fact>}
        <Fact name="Last change">{lastChange ?? "none since the page was loaded"}</Fact>
        <Fact name="Survives a reload">{session.persistent ? "yes" : "no"}</Fact>
        {session.session && (
          <Fact name="Ends">
            <time dateTime={session.session.expires_at}>
              {english.time(session.session.expires_at)}
            </time>
          </Fact>
        )}
        <Fact name="Begins">{`by ${options.start}`}</Fact>
        <Fact name="Proof">
          {options.credential === "cookie" ? "cookie" : `bearer token in ${options.credential}`}
        </Fact>
      </dl>
      <div className="row">
        <Press onPress={() => void session.start()}>Begin a session</Press>
        <Press onPress={() => void session.retry()}>Ask the server now</Press>
        <Press onPress={show(async () => (await session.assertion()).assertion)}>
          Get an assertion
        </Press>
        <Press onPress={() => remember(null)}>Forget the UUID</Press>
        <Press onPress={() => remember(crypto.randomUUID())}>Pretend to another UUID</Press>
      </div>
      <output aria-label="Answer">{said}</output>
      <nav aria-label="Other ways to keep a session" className="row">
        <a href="?start=load">Begin at once</a>
        <a href="?start=manual">Begin by hand</a>
        <a href="?credential=memory">Token in memory</a>
        <a href="?credential=session">Token in the tab</a>
        <a href="/">As usual</a>
      </nav>
    </details>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Press({ onPress, children }: { onPress: () => void; children: ReactNode }) {
  return (
    <button type="button" className="maria-button" onClick={onPress}>
      {children}
    </button>
  );
}

/** Change behind the package's back what the browser remembers, and load the page anew. */
function remember(uuid: string | null): void {
  if (uuid) localStorage.setItem("session_uuid", uuid);
  else localStorage.removeItem("session_uuid");
  location.reload();
}
