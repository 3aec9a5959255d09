"use client";
import type { ReactNode } from "react";
import { useEffect, useRef, useState } from "../../react.js";
import { hasNoRoom, isDuplicate, type UploadItem } from "../../store/uploadItems.js";
import type { UploadStore } from "../../store/uploadStore.js";
import { extensionOf } from "../../utils/fileNames.js";
import { Action, Failure, FileName, useTexts } from "./parts.js";

interface FileRowProps {
  item: UploadItem;
  uploads: UploadStore;
  /** Returns the content of the row, given what it is by default. */
  render?: ((item: UploadItem, row: ReactNode) => ReactNode) | undefined;
}

/** One file: its kind or its picture, name, state, progress, buttons and problem. */
export function FileRow({ item, uploads, render = (_, row) => row }: FileRowProps) {
  const [texts, part] = useTexts();
  const { key, name, status, size } = item;
  const isOnServer = "file" in item;
  const id = `maria-${key}`;
  const state = texts.file(item);
  const row = (
    <>
      <Icon name={name} file={uploads.fileOf(key)} />
      <FileName id={id} name={name} />
      {state && <span className={part("state")}>{state}</span>}
      {status === "sending" && <progress aria-labelledby={id} value={item.sent} max={size} />}
      {"error" in item && !hasNoRoom(item) && <Failure error={item.error} isQuiet />}
      <span className={part("actions")}>
        {status === "stored" && (
          <Action about={id} onAction={() => uploads.download(item.file.id)}>
            {texts.download}
          </Action>
        )}
        {(status === "waiting" || (status === "failed" && item.canRetry)) && (
          <Action about={id} onAction={() => uploads.retry(key)}>
            {isDuplicate(item) ? texts.uploadToo : texts.retry}
          </Action>
        )}
        <Action
          about={id}
          onAction={() => (isOnServer ? uploads.remove(key) : uploads.cancel(key))}
        >
          {isOnServer || status === "failed" ? texts.remove : texts.cancel}
        </Action>
      </span>
    </>
  );
  return (
    <li className={part("file")} data-status={status}>
      {render(item, row)}
    </li>
  );
}

const EDGE = 80;

/** The ending of a file's name; over it a thumbnail of an image that was chosen here. */
function Icon({ name, file }: { name: string; file: File | undefined }) {
  const [, part] = useTexts();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [image] = useState(file?.type.startsWith("image/") ? file : null); // Forgotten once stored.
  const [isDrawn, setDrawn] = useState(false);
  useEffect(() => {
    // Not an `<img>`: many policies do not allow its `blob:` URL.
    if (!image || !("createImageBitmap" in window)) return;
    createImageBitmap(image, { resizeWidth: 2 * EDGE }).then(
      (bitmap) => {
        const { width, height } = bitmap;
        const edge = Math.min(width, height);
        const [left, top] = [(width - edge) / 2, (height - edge) / 2];
        canvas.current
          ?.getContext("2d")
          ?.drawImage(bitmap, left, top, edge, edge, 0, 0, EDGE, EDGE);
        bitmap.close();
        setDrawn(true);
      },
      () => undefined, // It is not an image that this browser knows.
    );
  }, [image]);
  return (
    <span className={part("icon")} aria-hidden="true">
      {extensionOf(name).slice(0, 4).toUpperCase() || "?"}
      {image && <canvas ref={canvas} width={EDGE} height={EDGE} hidden={!isDrawn} />}
    </span>
  );
}
