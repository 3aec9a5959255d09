import { SessionError, useSession, type ChangeReason } from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState, type ReactNode } from "react";
import type { DemoOptions } from "./options";

interface DeveloperProps {
  options: DemoOptions;
  /** The reason of the last session change since the page was loaded. */
  lastChange: ChangeReason | null;
}

/** The state of the package, and buttons for trying special cases. */
export function Developer({ options, lastChange }: DeveloperProps) {
  const session = useSession();
  const [output, setOutput] = useState("");

  const showResult = (request: () => Promise<string>) => () => {
    request().then(setOutput, (thrown: unknown) => {
      if (!(thrown instanceof SessionError)) throw thrown;
      setOutput(english.error(thrown));
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
        <Fact name="Starts">{`by ${options.start}`}</Fact>
        <Fact name="Proof">
          {options.credential === "cookie" ? "cookie" : `bearer token in ${options.credential}`}
        </Fact>
      </dl>
      <div className="row">
        <ActionButton onPress={() => void session.start()}>Start a session</ActionButton>
        <ActionButton onPress={() => void session.retry()}>Ask the server now</ActionButton>
        <ActionButton onPress={showResult(async () => (await session.assertion()).assertion)}>
          Get an assertion
        </ActionButton>
        <ActionButton onPress={() => replaceStoredUuid(null)}>Forget the UUID</ActionButton>
        <ActionButton onPress={() => replaceStoredUuid(crypto.randomUUID())}>
          Use another UUID
        </ActionButton>
      </div>
      <output aria-label="Answer">{output}</output>
      <nav aria-label="Other options" className="row">
        <a href="?start=load">Start on load</a>
        <a href="?start=manual">Start manually</a>
        <a href="?credential=memory">Token in memory</a>
        <a href="?credential=session">Token in the tab</a>
        <a href="/">Default</a>
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

function ActionButton({ onPress, children }: { onPress: () => void; children: ReactNode }) {
  return (
    <button type="button" className="maria-button" onClick={onPress}>
      {children}
    </button>
  );
}

/** Change the stored UUID without the package, and reload the page. */
function replaceStoredUuid(uuid: string | null): void {
  if (uuid) localStorage.setItem("session_uuid", uuid);
  else localStorage.removeItem("session_uuid");
  location.reload();
}
