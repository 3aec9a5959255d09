"use client";
import type { InputHTMLAttributes, ReactNode, SyntheticEvent } from "react";
import { useId, useState } from "../react.js";
import type { Activity, ActivityPage } from "../api/sessionApi.js";
import { useSession } from "../contexts/SessionContext.js";
import { englishData } from "../en.js";
import type { EventName } from "../events.js";
import { useKeptFocus } from "../hooks/useKeptFocus.js";
import type { DataTexts } from "../language.js";
import { later, MINUTE } from "../utils/time.js";
import { ResetSession } from "./SessionStatus.js";
import { Action, Confirm, Failure, FileName, useAction, useTexts } from "./shared/parts.js";

/** A purpose that a visitor can consent to. */
export interface ConsentText {
  /** A name from the server's `CONSENT_PURPOSES`. */
  purpose: string;
  /** The version of the wording. The server stores it with the consent. */
  version: string;
  label: string;
}

export interface YourDataProps {
  consents?: readonly ConsentText[] | undefined;
  /** Parts that are left out. */
  without?: readonly DataPart[] | undefined;
  /** More of your own, at the end of the panel. */
  children?: ReactNode;
}

export type DataPart =
  "email" | "consents" | "activity" | "export" | "notMe" | "erase" | "recovery";

/** The panel's texts; in English where the page's language has none. */
function useDataTexts() {
  const [texts, part] = useTexts();
  return [{ ...texts, ...englishData, ...(texts as Partial<DataTexts>) }, part] as const;
}

/** A panel in which visitors see, change, export and erase their data. */
export function YourData({ consents = [], without = [], children }: YourDataProps) {
  const session = useSession();
  const [texts, part] = useDataTexts();
  const has = (name: DataPart) => !without.includes(name);
  // Keep the last known session while a new one loads, so that the focused element stays.
  const [known, know] = useState(session.session);
  if (known !== session.session && (session.session || !session.uuid)) know(session.session);
  return (
    <section className={part("data")} aria-label={texts.yourData} lang={texts.lang} dir={texts.dir}>
      {known ? (
        <>
          {has("email") && (
            <Field
              key={`e-mail of ${known.uuid}`}
              label={texts.email}
              value={known.email}
              input={{ type: "email", autoComplete: "email" }}
              action={texts.save}
              onSave={(email) => session.identify({ email })}
            />
          )}
          {has("email") && known.email && (
            <Proof key={known.email} isProven={known.identity === "completed"} />
          )}
          {has("consents") && consents.length > 0 && (
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
          {has("activity") && <Activities key={known.uuid} />}
          {has("export") && (
            <Action onAction={() => session.exportData().then(download)}>{texts.exportData}</Action>
          )}
          {has("notMe") && <ResetSession reason="not_me" />}
          {has("erase") && (
            <Confirm
              label={texts.erase}
              text={texts.eraseText}
              onConfirm={() => session.endSession(true)}
            />
          )}
        </>
      ) : (
        <p className={part("empty")}>{texts.noData(session)}</p>
      )}
      {has("recovery") && (
        <Field label={texts.recovery} action={texts.recover} onSave={session.recover} />
      )}
      {children}
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
  const id = useId();
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void run(() => onSave(text.trim()));
  };
  return (
    <form ref={useKeptFocus()} className={part("field")} onSubmit={submit}>
      <label>
        {label}
        <input
          required={!input?.type}
          autoComplete="off"
          {...input}
          aria-describedby={error ? id : undefined}
          aria-invalid={error?.isTransient === false} // A server that does not answer is no mistake.
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className={part("button")} aria-disabled={busy}>
        {busy ? texts.working : action}
      </button>
      <Failure id={id} error={error} />
    </form>
  );
}

function Proof({ isProven }: { isProven: boolean }) {
  const session = useSession();
  const [texts] = useDataTexts();
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
      <label ref={useKeptFocus()}>
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
  const [texts, part] = useDataTexts();
  const [page, setPage] = useState<ActivityPage | null>(null);
  const more = async () => {
    const next = await session.activity(page?.next ?? "");
    setPage({ ...next, results: [...(page?.results ?? []), ...next.results] });
  };
  return (
    <>
      {page && (
        <ol role="list" className={part("activity")} aria-label={texts.activity}>
          {page.results.map((event) => (
            <li key={event.event_id}>
              <time dateTime={event.occurred_at}>{texts.time(event.occurred_at)}</time>{" "}
              <Sentence text={sentenceOf(event, texts)} name={event.file} />
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

/** The sentence about an event, with a place for its file. */
function sentenceOf({ event, who }: Activity, { events }: DataTexts): string {
  const actor = who === "you" ? who : who.startsWith("service ") ? "service" : "support";
  const has = (name: string): name is EventName => name in events;
  return events[[`${event}/${actor}`, event].find(has) ?? "other"];
}

/** A sentence with a file name in it. */
function Sentence({ text, name }: { text: string; name: string }) {
  const [before = "", after] = text.split("{file}");
  return after === undefined ? (
    before
  ) : (
    <>
      {before}
      {name ? <FileName name={name} /> : "…"}
      {after}
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
