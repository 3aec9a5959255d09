import { useKeptFocus } from "@maria/sessions";
import { useId, useLayoutEffect, useRef, type ReactNode } from "react";

interface ModalProps {
  title: string;
  /** Added to the package's `maria-dialog`. */
  className?: string;
  onClose: () => void;
  children: ReactNode;
}

/** A modal `<dialog>` with the package's class. Escape or a click outside closes it. */
export function Modal({ title, className = "", onClose, children }: ModalProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className={`maria-dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        // `cancel` also bubbles up from file inputs and inner dialogs.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === event.currentTarget && onClose()}
    >
      <div ref={useKeptFocus()} className="modal-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
