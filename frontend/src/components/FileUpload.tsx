"use client";
import { useState, type DragEvent } from "react";
import { useSession } from "../contexts/SessionContext.js";
import { useUploads } from "../hooks/useUploads.js";
import { isUnderWay, type UploadItem } from "../store/uploadItems.js";
import type { UploadStore } from "../store/uploadStore.js";
import { Action, Failure, FileName, useTexts } from "./shared/parts.js";

/** A field to choose or drop files, and the list of the session's files with their progress. */
export function FileUpload() {
  const { session, status } = useSession();
  const uploads = useUploads();
  const [texts, part] = useTexts();
  const isUnknown =
    uploads.error || ["offline", "reset_required", "mismatch", "failed"].includes(status);
  const [over, setOver] = useState(false);
  const { items } = uploads;
  const hasProblem = useProblem(items);
  const limits = session?.limits;
  const onDrag = (event: DragEvent) => {
    event.preventDefault();
    setOver(event.type === "dragover");
    if (event.type === "drop") uploads.add(event.dataTransfer.files);
  };
  return (
    <section className={part("upload")} aria-label={texts.files}>
      <label
        className={part("drop")}
        data-over={over}
        onDragOver={onDrag}
        onDragLeave={onDrag}
        onDrop={onDrag}
      >
        <span>
          {texts.choose} {texts.drop}
        </span>{" "}
        {limits && <small>{texts.allowed(limits)}</small>}
        <input
          type="file"
          multiple
          accept={limits?.types.map((type) => `.${type}`).join()}
          onChange={(event) => {
            uploads.add(event.target.files ?? []);
            event.target.value = ""; // Otherwise choosing the same file again fires no event.
          }}
        />
      </label>
      {uploads.error && (
        <>
          <Failure error={uploads.error} />
          <Action onAction={uploads.load}>{texts.retry}</Action>
        </>
      )}
      <p className={hasProblem ? part("error") : part("summary")}>
        {hasProblem && <span role="alert">{texts.problem}</span>}{" "}
        <span role="status">{texts.summary(items)}</span>
      </p>
      {items.length ? (
        <ul className={part("files")}>
          {items.map((item) => (
            <File key={item.key} item={item} uploads={uploads} />
          ))}
        </ul>
      ) : (
        <p className={part("empty")}>
          {uploads.isLoaded ? texts.noFiles : isUnknown ? texts.filesUnknown : texts.filesLoading}
        </p>
      )}
    </section>
  );
}

/**
 * Whether files have failed, until all problems are solved and nothing is on its way. Meanwhile more
 * failures, and retries of the same files, are not another problem to announce.
 */
function useProblem(items: readonly UploadItem[]): boolean {
  const [hasProblem, setProblem] = useState(false);
  const hasError = items.some((item) => "error" in item && item.error);
  const next = hasError || (hasProblem && items.some(isUnderWay));
  if (next !== hasProblem) setProblem(next);
  return next;
}

function File({ item, uploads }: { item: UploadItem; uploads: UploadStore }) {
  const [texts, part] = useTexts();
  const { key, name, status, size } = item;
  const isOnServer = "file" in item;
  const id = `maria-${key}`;
  return (
    <li className={part("file")} data-status={status}>
      <FileName id={id} name={name} />
      {status === "sending" && <progress aria-labelledby={id} value={item.sent} max={size} />}
      <span>{texts.file(item)}</span>
      {"error" in item && <Failure error={item.error} isQuiet />}
      {status === "stored" && (
        <Action about={id} onAction={async () => open(await uploads.link(item.file.id), "_self")}>
          {texts.download}
        </Action>
      )}
      {(status === "waiting" || (status === "failed" && item.canRetry)) && (
        <Action about={id} onAction={() => uploads.retry(key)}>
          {texts.retry}
        </Action>
      )}
      <Action about={id} onAction={() => (isOnServer ? uploads.remove(key) : uploads.cancel(key))}>
        {isOnServer || status === "failed" ? texts.remove : texts.cancel}
      </Action>
    </li>
  );
}
