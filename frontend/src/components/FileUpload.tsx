"use client";
import type { ReactNode } from "react";
import { useEffect, useState } from "../react.js";
import type { SessionError } from "../api/http.js";
import type { Upload } from "../api/uploadApi.js";
import { useSession } from "../contexts/SessionContext.js";
import { acceptedTypes } from "../hooks/useAdd.js";
import { useUploads } from "../hooks/useUploads.js";
import {
  countsAgainstQuota,
  isDuplicate,
  isUnderWay,
  type UploadEvents,
  type UploadItem,
} from "../store/uploadItems.js";
import type { UploadStore } from "../store/uploadStore.js";
import { FileField, type FileFieldProps } from "./shared/FileField.js";
import { FileRow } from "./shared/FileRow.js";
import { Action, Button, Failure, useTexts } from "./shared/parts.js";

export interface FileUploadProps extends FileFieldProps {
  /** A drop zone of one line. */
  compact?: boolean | undefined;
  /** Called once for each file that was sent from here and is stored. */
  onStored?: ((upload: Upload) => void) | undefined;
  /** Called when a file is refused, or could not be sent. */
  onError?: ((error: SessionError, item: UploadItem) => void) | undefined;
  /** Returns the content of a row. `row` is what it shows by default. */
  renderItem?: ((item: UploadItem, row: ReactNode) => ReactNode) | undefined;
}

/** A field to choose or drop files, and the list of the session's files with their progress. */
export function FileUpload(props: FileUploadProps) {
  const { compact, onStored, onError, renderItem, ...rules } = props;
  const { session, status } = useSession();
  const uploads = useUploads();
  const [texts, part] = useTexts();
  const isUnknown =
    uploads.error || ["offline", "reset_required", "mismatch", "failed"].includes(status);
  const { items } = uploads;
  const hasProblem = useProblem(items);
  useReport(uploads.on, "stored", onStored);
  useReport(uploads.on, "failed", onError);
  const limits = session?.limits;
  const accepted = acceptedTypes(rules, limits);
  const max = Math.min(limits?.max_files ?? Infinity, rules.maxFiles ?? Infinity);
  return (
    <section
      className={part("upload")}
      aria-label={texts.files}
      lang={texts.lang}
      dir={texts.dir}
      data-compact={compact || undefined}
    >
      <FileField name="drop" {...rules}>
        <span>
          <strong>{texts.choose}</strong> {texts.drop}
        </span>{" "}
        {limits && (
          <small>
            {texts.allowed({
              ...limits,
              types: accepted.length ? accepted : limits.types,
              max_files: max,
            })}
          </small>
        )}
      </FileField>
      {uploads.error && (
        <>
          <Failure error={uploads.error} />
          <Action onAction={uploads.load}>{texts.retry}</Action>
        </>
      )}
      <p className={part(hasProblem && !items.some(isUnderWay) ? "error" : "summary")}>
        {hasProblem && <span role="alert">{texts.problem}</span>}{" "}
        <span role="status">{texts.summary(items)}</span>
      </p>
      {items.length ? (
        <>
          <Bar uploads={uploads} items={items} max={max} />
          <ul role="list" className={part("files")}>
            {items.map((item) => (
              <FileRow key={item.key} item={item} uploads={uploads} render={renderItem} />
            ))}
          </ul>
        </>
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

/** Call the page's function, if there is one, at each event of this name. */
function useReport<Name extends keyof UploadEvents>(
  on: UploadStore["on"],
  name: Name,
  handler: ((...details: UploadEvents[Name]) => void) | undefined,
): void {
  useEffect(() => handler && on(name, handler), [on, name, handler]);
}

interface BarProps {
  uploads: UploadStore;
  items: readonly UploadItem[];
  max: number;
}

/** How many files there are, and what can be done with all of them. */
function Bar({ uploads, items, max }: BarProps) {
  const [texts, part] = useTexts();
  const canRetry = items.filter(
    (item) =>
      item.status === "waiting" || ("canRetry" in item && item.canRetry && !isDuplicate(item)),
  );
  const underWay = items.filter(isUnderWay);
  const all = (label: string, some: readonly UploadItem[], act: (key: string) => void) =>
    some.length > 1 && <Button onClick={() => some.forEach(({ key }) => act(key))}>{label}</Button>;
  return (
    <div className={part("bar")}>
      <span className={part("count")}>
        {texts.count(items.filter(countsAgainstQuota).length, max)}
      </span>
      {all(texts.retryAll, canRetry, uploads.retry)}
      {all(texts.cancelAll, underWay, uploads.cancel)}
    </div>
  );
}
