import { useEffect, useId, useRef, type ReactNode } from "react";

interface ModalProps {
  title: string;
  /** Beside the package's `maria-dialog`. */
  className?: string;
  onClose: () => void;
  children: ReactNode;
}

/** The browser's own modal dialog, in the package's look; Escape and a press beside it close it. */
export function Modal({ title, className = "", onClose, children }: ModalProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
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
        // A file field's and an inner dialog's `cancel` are none of ours.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === event.currentTarget && onClose()}
    >
      <div className="modal-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
