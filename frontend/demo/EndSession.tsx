import { SessionError, useKeptFocus, useSession } from "@maria/sessions";
import { english } from "@maria/sessions/en";
import { useState } from "react";
import { Modal } from "./Modal";

/** A button that ends the session after a confirmation. Renders no button without a session. */
export function EndSession() {
  const { uuid, endSession } = useSession();
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<SessionError | null>(null);
  const close = () => setOpen(false);
  const keptFocus = useKeptFocus();

  async function end(): Promise<void> {
    setError(null);
    try {
      await endSession();
      close();
    } catch (thrown) {
      if (!(thrown instanceof SessionError)) throw thrown;
      setError(thrown);
    }
  }

  return (
    <>
      {uuid && (
        <button
          ref={keptFocus}
          type="button"
          className="maria-button"
          onClick={() => setOpen(true)}
        >
          End session
        </button>
      )}
      {open && (
        <Modal title="End session" onClose={close}>
          <p>This session will be closed. Its files are deleted after 7 days.</p>
          <button type="button" className="maria-button" onClick={close}>
            Cancel
          </button>
          <button type="button" className="maria-danger" onClick={() => void end()}>
            End session
          </button>
          {error && (
            <p role="alert" className="maria-error">
              {english.error(error)}
            </p>
          )}
        </Modal>
      )}
    </>
  );
}
