"use client";
import type { ReactNode } from "react";
import { useState } from "../../react.js";
import { useSession } from "../../contexts/SessionContext.js";
import { Action, Button, Dialog, SupportCode, useTexts } from "./parts.js";

export interface SessionResetAlertProps {
  /** Called when the visitor puts the dialog off. */
  onLater?: (() => void) | undefined;
  /** More of your own in the dialog, such as a link to your support. */
  children?: ReactNode;
}

/**
 * A dialog for the states `reset_required` and `mismatch`: why, which files are lost, what to do.
 *
 * Escape closes it. A line remains that opens it again.
 */
export function SessionResetAlert({ onLater, children }: SessionResetAlertProps) {
  const session = useSession();
  const [texts, part] = useTexts();
  const [putOff, setPutOff] = useState<string | null>(null);
  if (session.status !== "reset_required" && session.status !== "mismatch") return null;
  const hasEnded = session.status === "reset_required";
  const [title, text] = texts.alert(session);
  const code = hasEnded ? session.endedSupportCode : session.provenSupportCode;
  const putOffNow = () => {
    setPutOff(session.uuid);
    onLater?.();
  };
  if (putOff === session.uuid) {
    return (
      <p role="status" className={part("notice")} lang={texts.lang} dir={texts.dir}>
        {title}{" "}
        <Button takesFocus onClick={() => setPutOff(null)}>
          {texts.showAgain}
        </Button>
      </p>
    );
  }
  return (
    <Dialog title={title} text={text} onClose={putOffNow}>
      <p>{texts.giveSupport}</p>
      <SupportCode code={code} />
      {!hasEnded && (
        <Action name="primary" onAction={session.continueSession}>
          {texts.continueSession}
        </Action>
      )}
      <Action name={hasEnded ? "primary" : "button"} onAction={() => session.resetSession()}>
        {texts.startAgain}
      </Action>
      {children}
      <Button onClick={putOffNow}>{texts.later}</Button>
    </Dialog>
  );
}
