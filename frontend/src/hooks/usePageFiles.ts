"use client";
import { useEffect, useRef, useState } from "../react.js";

/**
 * Take files that are dropped anywhere on the page, or pasted. One component of a page takes them.
 *
 * @returns whether files are being dragged over the page
 */
export function usePageFiles(add: (files: FileList) => void, isOn: boolean): boolean {
  const [isOver, setOver] = useState(false);
  const latestRef = useRef(add);
  useEffect(() => {
    latestRef.current = add;
  });
  useEffect(() => {
    if (!isOn) return;
    const onDrag = (event: DragEvent) => {
      const { type, dataTransfer, relatedTarget, defaultPrevented } = event;
      const isLeaving = type === "dragleave" && !relatedTarget; // Not only a part of the page.
      if (type === "drop" || isLeaving) setOver(false);
      if (defaultPrevented || isLeaving || !dataTransfer?.types.includes("Files")) return;
      event.preventDefault(); // Otherwise the browser would open the file.
      if (type === "dragover") setOver(true);
      if (type === "drop") latestRef.current(dataTransfer.files);
    };
    const onPaste = (event: ClipboardEvent) => {
      const { clipboardData, defaultPrevented } = event;
      const [target] = event.composedPath(); // A field in a shadow root, too.
      if (defaultPrevented || !clipboardData?.files.length) return;
      // Office programs copy a picture of the text, too. A field takes the text.
      const isField = (target as Element).closest("input, textarea, [contenteditable]");
      if (isField && clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      latestRef.current(clipboardData.files);
    };
    const abort = new AbortController();
    for (const type of ["dragover", "dragleave", "drop"] as const) {
      document.addEventListener(type, onDrag, abort);
    }
    document.addEventListener("paste", onPaste, abort);
    return () => abort.abort();
  }, [isOn]);
  return isOver;
}
