"use client";
import { useRef, useState, type InputHTMLAttributes, type SyntheticEvent } from "react";
import type { ActivityPage } from "../api/sessionApi.js";
import { useSession } from "../contexts/SessionContext.js";
import { later, MINUTE } from "../utils/time.js";
import { ResetSession } from "./SessionStatus.js";
import { Action, Confirm, Failure, useAction, useTexts } from "./shared/parts.js";

/** A purpose that a visitor can consent to. */
export interface ConsentText {
  /** A name from the server's `CONSENT_PURPOSES`. */
  purpose: string;
  /** The version of the wording. The server stores it with the consent. */
  version: string;
  label: string;
}

/** A panel in which visitors see, change, export and erase their data. */
export function YourData({ consents = [] }: { consents?: readonly ConsentText[] | undefined }) {
  const session = useSession();
  const [texts, part] = useTexts();
  const section = useRef<HTMLElement>(null);
  // Keep the last known session while a new one loads, so that the focused element stays.
  const [known, know] = useState(session.session);
  if (known !== session.session && (session.session || !session.uuid)) know(session.session);
  return (
    <section ref={section} tabIndex={-1} className={part("data")} aria-label={texts.yourData}>
      {known ? (
        <>
          <Field
            key={`e-mail of ${known.uuid}`}
            label={texts.email}
            value={known.email}
            input={{ type: "email", autoComplete: "email" }}
            action={texts.save}
            onSave={(email) => session.identify({ email })}
          />
          {known.email && <Proof key={known.email} isProven={known.identity === "completed"} />}
          {consents.length > 0 && (
            <fieldset>
              <legend>{texts.consent}</legend>
              {consents.map((consent) => (
                <Consent
                  key={consent.purpose}
                  {...consent}
                  isGranted={known.consent[consent.purpose]?.granted ?? false}
                />
              ))}
            </fieldset>
          )}
          <Activities key={known.uuid} />
          <Action onAction={() => session.exportData().then(download)}>{texts.exportData}</Action>
          <ResetSession reason="not_me" />
          <Confirm
            label={texts.erase}
            text={texts.eraseText}
            // The button disappears with the session. Keep the focus in the panel.
            onConfirm={() => session.endSession(true).then(() => section.current?.focus())}
          />
        </>
      ) : (
        <p className={part("empty")}>{texts.noData(session)}</p>
      )}
      <Field label={texts.recovery} action={texts.recover} onSave={session.recover} />
    </section>
  );
}

interface FieldProps {
  label: string;
  action: string;
  onSave: (value: string) => Promise<unknown>;
  value?: string;
  input?: InputHTMLAttributes<HTMLInputElement>;
}

function Field({ label, action, onSave, value = "", input }: FieldProps) {
  const [texts, part] = useTexts();
  const [text, setText] = useState(value);
  const [run, busy, error] = useAction();
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void run(() => onSave(text.trim()));
  };
  return (
    <form className={part("field")} onSubmit={submit}>
      <label>
        {label}
        <input
          required={!input?.type}
          autoComplete="off"
          {...input}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className={part("button")} aria-disabled={busy}>
        {busy ? texts.working : action}
      </button>
      <Failure error={error} />
    </form>
  );
}

function Proof({ isProven }: { isProven: boolean }) {
  const session = useSession();
  const [texts] = useTexts();
  const [sent, setSent] = useState(false);
  return (
    <>
      <p role="status">{isProven ? texts.proven : sent && texts.sent}</p>
      {!isProven && (
        <Action onAction={() => session.sendCode().then(() => setSent(true))}>
          {texts.sendCode}
        </Action>
      )}
      {!isProven && sent && (
        <Field
          label={texts.code}
          action={texts.confirm}
          onSave={session.verifyCode}
          input={{ autoComplete: "one-time-code", inputMode: "numeric" }}
        />
      )}
    </>
  );
}

function Consent({ purpose, version, label, isGranted }: ConsentText & { isGranted: boolean }) {
  const session = useSession();
  const [run, busy, error] = useAction();
  const answer = (granted: boolean) =>
    session.identify({ consent: { [purpose]: { granted, version } } });
  return (
    <>
      <label>
        <input
          type="checkbox"
          checked={isGranted}
          aria-disabled={busy}
          onChange={(event) => {
            const { checked } = event.target;
            void run(() => answer(checked));
          }}
        />{" "}
        {label}
      </label>
      <Failure error={error} />
    </>
  );
}

function Activities() {
  const session = useSession();
  const [texts, part] = useTexts();
  const [page, setPage] = useState<ActivityPage | null>(null);
  const more = async () => {
    const next = await session.activity(page?.next ?? "");
    setPage({ ...next, results: [...(page?.results ?? []), ...next.results] });
  };
  return (
    <>
      {page && (
        <ol className={part("activity")} aria-label={texts.activity}>
          {page.results.map(({ event_id, occurred_at, meaning, file }) => (
            <li key={event_id}>
              <time dateTime={occurred_at}>{texts.time(occurred_at)}</time>{" "}
              <Sentence text={meaning} name={file} />
            </li>
          ))}
        </ol>
      )}
      {(!page || page.next) && (
        <Action onAction={more}>{page ? texts.more : texts.activity}</Action>
      )}
    </>
  );
}

/** A sentence with a file name in it, whose direction does not turn the rest around. */
function Sentence({ text, name }: { text: string; name: string }) {
  const start = name ? text.indexOf(name) : -1;
  if (start < 0) return text;
  return (
    <>
      {text.slice(0, start)}
      <bdi>{name}</bdi>
      {text.slice(start + name.length)}
    </>
  );
}

function download(document_: unknown): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob([JSON.stringify(document_, null, 2)], { type: "application/json" }),
  );
  link.download = "your-data.json";
  link.click();
  later(MINUTE, () => URL.revokeObjectURL(link.href)); // Some browsers read it with a delay.
}
