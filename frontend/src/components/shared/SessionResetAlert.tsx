"use client";
import { useState } from "react";
import { useSession } from "../../contexts/SessionContext.js";
import { Action, Button, Dialog, SupportCode, useTexts } from "./parts.js";

/**
 * A dialog for the states `reset_required` and `mismatch`: why, which files are lost, what to do.
 *
 * Escape closes it. A line remains that opens it again.
 */
export function SessionResetAlert() {
  const session = useSession();
  const [texts, part] = useTexts();
  const [putOff, setPutOff] = useState<string | null>(null);
  if (session.status !== "reset_required" && session.status !== "mismatch") return null;
  const hasEnded = session.status === "reset_required";
  const [title, text] = texts.alert(session);
  const code = hasEnded ? session.endedSupportCode : session.provenSupportCode;
  if (putOff === session.uuid) {
    return (
      <p role="status" className={part("notice")}>
        {title}{" "}
        <Button takesFocus onClick={() => setPutOff(null)}>
          {texts.showAgain}
        </Button>
      </p>
    );
  }
  return (
    <Dialog title={title} text={text} onClose={() => setPutOff(session.uuid)}>
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
      <Button onClick={() => setPutOff(session.uuid)}>{texts.later}</Button>
    </Dialog>
  );
}
