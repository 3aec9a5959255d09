import { YourData } from "@maria/sessions/your-data";
import { useState } from "react";
import { Modal } from "./Modal";
import { CONSENTS } from "./words";

/** A button that opens the dialog with the visitor's data. */
export function DataSheet() {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button type="button" className="maria-button" onClick={() => setOpen(true)}>
        Your data
      </button>
      {open && (
        <Modal title="Your data" className="sheet" onClose={close}>
          <button type="button" className="maria-button close" onClick={close}>
            Close
          </button>
          <YourData consents={CONSENTS} />
        </Modal>
      )}
    </>
  );
}
