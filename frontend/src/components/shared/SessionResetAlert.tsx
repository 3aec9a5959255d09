"use client";
import { useState } from "react";
import { useSession } from "../../contexts/SessionContext.js";
import { Action, Button, Dialog, SupportCode, useLook } from "./parts.js";

/**
 * Tells a visitor that their session cannot go on: why, what is lost, and what they can do.
 *
 * Shown when there is something to decide (`reset_required`, `mismatch`), otherwise nothing.
 * Escape puts it off; a line remains that brings it back.
 */
export function SessionResetAlert() {
  const session = useSession();
  const [texts, part] = useLook();
  const [putOff, setPutOff] = useState<string | null>(null);
  if (session.status !== "reset_required" && session.status !== "mismatch") return null;
  const isOver = session.status === "reset_required";
  const [title, text] = texts.alert(session);
  const code = isOver ? session.endedSupportCode : session.provenSupportCode;
  if (putOff === session.uuid) {
    return (
      <p role="status" className={part("notice")}>
        {title} <Button onClick={() => setPutOff(null)}>{texts.showAgain}</Button>
      </p>
    );
  }
  return (
    <Dialog title={title} text={text} onClose={() => setPutOff(session.uuid)}>
      <p>{texts.tellSupport}</p>
      <SupportCode code={code} />
      {!isOver && (
        <Action name="primary" onAction={session.continueSession}>
          {texts.continueSession}
        </Action>
      )}
      <Action name={isOver ? "primary" : "button"} onAction={() => session.resetSession()}>
        {texts.startAgain}
      </Action>
      <Button onClick={() => setPutOff(session.uuid)}>{texts.later}</Button>
    </Dialog>
  );
}
