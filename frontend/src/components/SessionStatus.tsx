"use client";
import type { ReactNode } from "react";
import { useSession } from "../contexts/SessionContext.js";
import type { SessionSnapshot } from "../store/sessionState.js";
import { Action, Confirm, SupportCode, useTexts } from "./shared/parts.js";

export interface SessionStatusProps {
  /** Returns the content of the line. `line` is what it shows by default. */
  render?: ((session: SessionSnapshot, line: ReactNode) => ReactNode) | undefined;
}

/** A status line. Empty if there is nothing to report. */
export function SessionStatus({ render = (_, line) => line }: SessionStatusProps) {
  const session = useSession();
  const [texts, part] = useTexts();
  const { status } = session;
  const isStuck = status === "offline" || status === "failed";
  return (
    <div
      role="status"
      className={part("status")}
      data-status={status}
      lang={texts.lang}
      dir={texts.dir}
    >
      {render(
        session,
        <>
          {texts.status(session)}
          {(isStuck || status === "expiring") && (
            <Action onAction={session.retry}>{isStuck ? texts.retry : texts.stay}</Action>
          )}
        </>,
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
    <details className={part("where")} lang={texts.lang} dir={texts.dir}>
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

export interface ResetSessionProps {
  reason?: "requested" | "not_me" | undefined;
}

/** A button with a confirmation that starts a new session. Renders nothing without a session. */
export function ResetSession({ reason = "requested" }: ResetSessionProps) {
  const session = useSession();
  const [texts] = useTexts();
  const isOther = reason === "not_me";
  return session.uuid ? (
    <Confirm
      label={isOther ? texts.notMe : texts.startAgain}
      text={isOther ? texts.notMeText : texts.resetText}
      onConfirm={() => session.resetSession(reason)}
    />
  ) : null;
}
