"use client";
import type { ReactNode } from "react";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "../../react.js";
import { asSessionError, type SessionError } from "../../api/http.js";
import { useSession, useSessionContext, type Part } from "../../contexts/SessionContext.js";
import type { Messages } from "../../language.js";
import { useKeptFocus } from "../../hooks/useKeptFocus.js";
import { plainName, shortName } from "../../utils/fileNames.js";

/** Return the texts, and a function for the class name of a part. */
export function useTexts(): [Messages, (part: Part) => string] {
  const { texts, classNames } = useSessionContext();
  if (!texts.cancel) throw new Error("SessionProvider needs a `language`.");
  return [texts as Messages, (part) => classNames?.[part] ?? `maria-${part}`];
}

/** Run one action at a time. Return whether it is running, and its error. */
export function useAction(): [
  run: (action: () => unknown) => Promise<void>,
  busy: boolean,
  error: SessionError | null,
] {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<SessionError | null>(null);
  const { status } = useSession();
  useEffect(() => {
    // The server can be reached again.
    if (status !== "offline") setError((last) => (last?.isTransient ? null : last));
  }, [status]);
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

interface FailureProps {
  id?: string;
  error: SessionError | null | undefined;
  /** Not announced, because a summary is. */
  isQuiet?: boolean;
}

export function Failure({ id, error, isQuiet }: FailureProps) {
  const [texts, part] = useTexts();
  return error ? (
    <p id={id} role={isQuiet ? undefined : "alert"} className={part("error")}>
      {texts.error(error)}
    </p>
  ) : null;
}

/** A file name in its own direction. If it is long, its middle is only in the tooltip. */
export function FileName({ id, name }: { id?: string; name: string }) {
  const [all, short] = [plainName(name), shortName(name)];
  return (
    <bdi id={id} title={all === short ? undefined : all}>
      {short}
    </bdi>
  );
}

interface ButtonProps {
  onClick: () => void;
  /** The part for its class name: `button`, `primary` or `danger`. */
  name?: Part | undefined;
  busy?: boolean | undefined;
  /** The id of the element that describes it, where several buttons have the same name. */
  about?: string | undefined;
  /** Whether it takes the focus when it appears and nothing else has it. */
  takesFocus?: boolean;
  children: ReactNode;
}

export function Button(props: ButtonProps) {
  const { onClick, name = "button", busy, about, takesFocus, children } = props;
  const [texts, part] = useTexts();
  return (
    <button
      ref={useKeptFocus(takesFocus)}
      type="button"
      lang={texts.lang}
      dir={texts.dir}
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
  onAction: () => unknown;
  name?: Part;
  about?: string;
  children: ReactNode;
}

/** A button that shows that its action is running, and its error. */
export function Action({ onAction, name, about, children }: ActionProps) {
  const [texts] = useTexts();
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

/** The browser's modal dialog. It keeps the focus, closes with Escape and returns the focus. */
export function Dialog({ title, text, onClose, children }: DialogProps) {
  const [texts, part] = useTexts();
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
      lang={texts.lang}
      dir={texts.dir}
      className={part("dialog")}
      aria-labelledby={id}
      aria-describedby={`${id}text`}
      // In StrictMode the dialog is closed and opened again at once.
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

export function Confirm({ label, text, onConfirm }: ConfirmProps) {
  const [texts] = useTexts();
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

/** A support code, with a copy button if the browser has a clipboard. */
export function SupportCode({ code }: { code: string }) {
  const [texts, part] = useTexts();
  const [notice, setNotice] = useState("");
  const clipboard = navigator.clipboard as Clipboard | undefined;
  const copy = () =>
    clipboard?.writeText(code).then(
      () => setNotice(texts.copied),
      () => setNotice(texts.notCopied),
    );
  return (
    <p>
      <code className={part("code")}>{code}</code>{" "}
      {clipboard && <Button onClick={() => void copy()}>{texts.copy}</Button>}
      <span role="status">{notice}</span>
    </p>
  );
}
