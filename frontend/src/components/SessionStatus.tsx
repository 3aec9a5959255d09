"use client";
import { useSession } from "../contexts/SessionContext.js";
import { Action, Confirm, SupportCode, useTexts } from "./shared/parts.js";

/** A status line. Empty if there is nothing to report. */
export function SessionStatus() {
  const session = useSession();
  const [texts, part] = useTexts();
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

/** The support codes of this session and of the previous one. */
export function WhereAreMyFiles() {
  const session = useSession();
  const { supportCode, previousSupportCode } = session;
  const [texts, part] = useTexts();
  return (
    <details className={part("where")}>
      <summary>{texts.whereFiles}</summary>
      <p>{supportCode ? texts.whereText : texts.noData(session)}</p>
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

/** A button with a confirmation that starts a new session. Renders nothing without a session. */
export function ResetSession({
  reason = "requested",
}: {
  reason?: "requested" | "not_me" | undefined;
}) {
  const session = useSession();
  const [texts] = useTexts();
  const isOther = reason === "not_me";
  return session.uuid ? (
    <Confirm
      label={isOther ? texts.notMe : texts.reset}
      text={isOther ? texts.notMeText : texts.resetText}
      onConfirm={() => session.resetSession(reason)}
    />
  ) : null;
}
