"use client";
import { useState } from "react";
import { useSession } from "../../contexts/SessionContext.js";
import { Action, Dialog, SupportCode, useLook } from "./parts.js";

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
  const title = isOver ? texts.over[session.reason] : texts.mismatch;
  const code = isOver ? session.endedSupportCode : session.provenSupportCode;
  const putItOff = () => setPutOff(session.uuid);
  if (putOff === session.uuid) {
    return (
      <p role="status" className={part("notice")}>
        {title} <Action onAction={() => setPutOff(null)}>{texts.showAgain}</Action>
      </p>
    );
  }
  return (
    <Dialog
      title={title}
      text={isOver ? texts.lost(session.lost) : texts.mismatchText}
      onClose={putItOff}
    >
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
      <Action onAction={putItOff}>{texts.later}</Action>
    </Dialog>
  );
}
