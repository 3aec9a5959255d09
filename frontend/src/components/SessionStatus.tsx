"use client";
import { useSession } from "../contexts/SessionContext.js";
import { Action, Confirm, SupportCode, useLook } from "./shared/parts.js";

/** One line, read out politely, about what the visitor should know; empty while all is well. */
export function SessionStatus() {
  const session = useSession();
  const [texts, part] = useLook();
  const { status } = session;
  const isStuck = status === "offline" || status === "failed";
  return (
    <div role="status" className={part("status")} data-status={status}>
      {texts.status(session)}
      {(isStuck || status === "expiring") && (
        <Action onAction={session.retry}>{isStuck ? texts.retry : texts.stay}</Action>
      )}
    </div>
  );
}

/** What to tell support, before there is trouble. */
export function WhereAreMyFiles() {
  const { supportCode, previousSupportCode } = useSession();
  const [texts, part] = useLook();
  return (
    <details className={part("where")}>
      <summary>{texts.whereFiles}</summary>
      <p>{supportCode ? texts.whereText : texts.noSession}</p>
      {supportCode && <SupportCode code={supportCode} />}
      {previousSupportCode && (
        <>
          <p>{texts.previousCode}</p>
          <SupportCode code={previousSupportCode} />
        </>
      )}
    </details>
  );
}

/** A button to begin a fresh session, which asks first. Nothing while there is none. */
export function ResetSession({ reason = "requested" }: { reason?: "requested" | "not_me" }) {
  const session = useSession();
  const [texts] = useLook();
  const isOther = reason === "not_me";
  return session.uuid ? (
    <Confirm
      label={isOther ? texts.notMe : texts.reset}
      text={isOther ? texts.notMeText : texts.resetText}
      onConfirm={() => session.resetSession(reason)}
    />
  ) : null;
}
