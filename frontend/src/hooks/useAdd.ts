"use client";
import { SessionError, type Schemas } from "../api/http.js";
import { useSession } from "../contexts/SessionContext.js";
import { countsAgainstQuota, isDuplicate, isSameFile, refusal } from "../store/uploadItems.js";
import type { UploadStore } from "../store/uploadStore.js";
import { extensionOf } from "../utils/fileNames.js";
import { useUploads } from "./useUploads.js";

/** What a component that adds files accepts, beyond the server's own limits. */
export interface FileRules {
  /** Like the attribute of a file field: `.pdf,.png` or `image/*`. Default: what the server allows. */
  accept?: string | undefined;
  /** The most files that the session may have here. The server's limit applies, too. */
  maxFiles?: number | undefined;
  disabled?: boolean | undefined;
  /**
   * Called for each chosen file before it is added. A text refuses the file, and is shown in its
   * row. False leaves it out without a row.
   */
  onBeforeAdd?: ((file: File) => BeforeAdd | Promise<BeforeAdd>) | undefined;
}

// Not `undefined`: a callback without a result is a `() => void`.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type BeforeAdd = boolean | string | void;

/** Return a function that checks files and sends those that pass. */
export function useAdd(rules: FileRules): (files: Iterable<File> | null) => void {
  const { session } = useSession();
  const uploads = useUploads();
  return (files) => void addChecked(uploads, [...(files ?? [])], rules, session?.limits);
}

const tokensOf = (accept: string) =>
  accept
    .toLowerCase()
    .split(",")
    .map((token) => token.trim())
    .filter(Boolean);

const fits = ({ name, type }: File, token: string) =>
  token === `.${extensionOf(name)}` || token === type || type.startsWith(token.replace(/\*$/, ""));

async function addChecked(
  uploads: UploadStore,
  files: File[],
  rules: FileRules,
  limits: Schemas["Limits"] | undefined,
): Promise<void> {
  const { accept = "", maxFiles = Infinity, disabled, onBeforeAdd } = rules;
  if (disabled || !files.length) return;
  const verdicts = new Map<File, BeforeAdd>();
  if (onBeforeAdd) {
    await Promise.all(files.map(async (file) => verdicts.set(file, await onBeforeAdd(file))));
  }
  const tokens = tokensOf(accept);
  const { items } = uploads.getSnapshot();
  const there: Pick<File, "name" | "size">[] = items.filter(({ status }) => status !== "failed");
  let free = maxFiles - items.filter(countsAgainstQuota).length;
  const check = (file: File) => {
    const detail = verdicts.get(file);
    if (typeof detail === "string") return new SessionError("refused", 0, { detail });
    if (tokens.length && !tokens.some((token) => fits(file, token))) {
      const types = tokens.map((token) => token.replace(/^\./, ""));
      return new SessionError("type_not_allowed", 0, { types });
    }
    // Before the room: with room the file would be refused, too.
    const error = limits ? refusal(file, null, limits) : null;
    if (error) return error;
    if (free < 1) return new SessionError("quota_exceeded", 0, { max_files: maxFiles });
    if (there.some((one) => isSameFile(one, file))) return new SessionError("duplicate");
    free--;
    there.push(file);
    return null;
  };
  // A question that is open is not asked again.
  const isOpen = (file: File) => items.some((item) => isDuplicate(item) && isSameFile(item, file));
  const wanted = files.filter((file) => verdicts.get(file) !== false && !isOpen(file));
  if (wanted.length) uploads.add(wanted, check);
}
