"use client";
import { useId, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { asSessionError, type SessionError } from "../../api/http.js";
import { useSessionContext } from "../../contexts/SessionContext.js";
import type { Messages } from "../../en.js";

/** The words to use, and the class name of a part. */
export function useLook(): [Messages, (part: string) => string] {
  const { messages, classNames } = useSessionContext();
  if (!messages) throw new Error("SessionProvider has no messages: see @maria/sessions/en.");
  return [messages, (part) => classNames?.[part] ?? `maria-${part}`];
}

/** Run something that may fail, once at a time; say whether it runs and what went wrong. */
export function useAction(): [
  run: (action: () => unknown) => Promise<void>,
  busy: boolean,
  error: SessionError | null,
] {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<SessionError | null>(null);
  async function run(action: () => unknown) {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await action();
    } catch (thrown) {
      setError(asSessionError(thrown));
    }
    setBusy(false);
  }
  return [run, busy, error];
}

export function Failure({ error }: { error: SessionError | null | undefined }) {
  const [texts, part] = useLook();
  return error ? (
    <p role="alert" className={part("error")}>
      {texts.error(error)}
    </p>
  ) : null;
}

interface ButtonProps {
  onClick: () => void;
  /** Which part it is: `button`, `primary` or `danger`. */
  name?: string | undefined;
  busy?: boolean | undefined;
  /** The id of what it is about, where several buttons have the same name. */
  about?: string | undefined;
  children: ReactNode;
}

export function Button({ onClick, name = "button", busy, about, children }: ButtonProps) {
  const [, part] = useLook();
  return (
    <button
      type="button"
      className={part(name)}
      aria-describedby={about}
      aria-disabled={busy}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

interface ActionProps {
  /** What it does; a rejection is shown beside it. */
  onAction: () => unknown;
  name?: string;
  about?: string;
  children: ReactNode;
}

/** A button that tells of its work and of its failure. */
export function Action({ onAction, name, about, children }: ActionProps) {
  const [texts] = useLook();
  const [run, busy, error] = useAction();
  return (
    <>
      <Button name={name} about={about} busy={busy} onClick={() => void run(onAction)}>
        {busy ? texts.working : children}
      </Button>
      <Failure error={error} />
    </>
  );
}

interface DialogProps {
  title: string;
  text: string;
  onClose: () => void;
  children: ReactNode;
}

/** A modal dialog: the browser's own, which keeps the focus, closes by Escape and gives the focus back. */
export function Dialog({ title, text, onClose, children }: DialogProps) {
  const [, part] = useLook();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = ref.current as HTMLDialogElement;
    dialog.showModal();
    dialog.querySelector("h2")?.focus();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={ref}
      role="alertdialog"
      className={part("dialog")}
      aria-labelledby={id}
      aria-describedby={`${id}text`}
      // Not if it was opened again at once, as StrictMode does.
      onClose={({ currentTarget }) => currentTarget.open || onClose()}
    >
      <h2 id={id} tabIndex={-1}>
        {title}
      </h2>
      <p id={`${id}text`}>{text}</p>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  label: string;
  text: string;
  onConfirm: () => Promise<unknown>;
}

/** A button that asks before it does what cannot be undone. */
export function Confirm({ label, text, onConfirm }: ConfirmProps) {
  const [texts] = useLook();
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>{label}</Button>
      {open && (
        <Dialog title={label} text={text} onClose={close}>
          <Button onClick={close}>{texts.cancel}</Button>
          <Action name="danger" onAction={() => onConfirm().then(close)}>
            {label}
          </Action>
        </Dialog>
      )}
    </>
  );
}

/** A support code that can be read aloud, and copied where the browser allows it. */
export function SupportCode({ code }: { code: string }) {
  const [texts, part] = useLook();
  const [told, tell] = useState("");
  const clipboard = navigator.clipboard as Clipboard | undefined;
  const copy = () =>
    clipboard?.writeText(code).then(
      () => tell(texts.copied),
      () => tell(texts.notCopied),
    );
  return (
    <p>
      <code className={part("code")}>{code}</code>{" "}
      {clipboard && <Button onClick={() => void copy()}>{texts.copy}</Button>}
      <span role="status">{told}</span>
    </p>
  );
}
