"use client";
import { SessionError, type Schemas } from "../api/http.js";
import { useSession, type UseSession } from "../contexts/SessionContext.js";
import { isDuplicate, isSameFile, refusal, type UploadItem } from "../store/uploadItems.js";
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

type Limits = Schemas["Limits"];

// Not `undefined`: a callback without a result is a `() => void`.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type BeforeAdd = boolean | string | void;

/** Return a function that checks files and sends those that pass. */
export function useAdd(rules: FileRules): (files: Iterable<File> | null) => void {
  const session = useSession();
  const uploads = useUploads();
  return (files) => void addChecked(uploads, session, [...(files ?? [])], rules);
}

const tokensOf = ({ accept = "" }: FileRules) =>
  accept
    .toLowerCase()
    .split(",")
    .map((token) => token.trim())
    .filter(Boolean);

const fits = ({ name, type }: File, token: string) =>
  token === `.${extensionOf(name)}` || type.startsWith(token.replace(/\*.*/, ""));

// The images that the server knows (docs/settings.md, UPLOAD_TYPES).
const IMAGE = /^(png|jpe?g|gif|webp)$/;

const names = (token: string, type: string) =>
  token === `.${type}` ||
  token.endsWith(`/${type.replace("jpg", "jpeg")}`) ||
  token === "*/*" ||
  (token === "image/*" && IMAGE.test(type));

/** The server's types that the page accepts, as far as its `accept` names them. */
export function acceptedTypes(rules: FileRules, limits: Limits | undefined): string[] {
  const tokens = tokensOf(rules);
  const { types } = limits ?? { types: [] };
  return tokens.length ? types.filter((type) => tokens.some((token) => names(token, type))) : types;
}

/** Ask the page about a file. Its function may fail, which must not lose the others. */
async function verdictOn(file: File, onBeforeAdd: NonNullable<FileRules["onBeforeAdd"]>) {
  try {
    const verdict = await onBeforeAdd(file);
    return typeof verdict === "string"
      ? new SessionError("refused", 0, { detail: verdict })
      : verdict;
  } catch (thrown) {
    return new SessionError("check_failed", 0, { detail: String(thrown) });
  }
}

async function addChecked(
  uploads: UploadStore,
  { session, departures }: UseSession,
  files: File[],
  rules: FileRules,
): Promise<void> {
  const { maxFiles = Infinity, disabled, onBeforeAdd } = rules;
  if (disabled || !files.length) return;
  const limits = session?.limits;
  const left = departures();
  const verdicts = new Map<File, Awaited<ReturnType<typeof verdictOn>>>();
  if (onBeforeAdd) {
    const ask = async (file: File) => verdicts.set(file, await verdictOn(file, onBeforeAdd));
    await Promise.all(files.map(ask));
  }
  // They were chosen for a session that the visitor has left meanwhile.
  if (departures() !== left) return;
  const tokens = tokensOf(rules);
  const check = (file: File, items: readonly UploadItem[]) => {
    const verdict = verdicts.get(file);
    if (verdict instanceof SessionError) return verdict;
    if (tokens.length && !tokens.some((token) => fits(file, token))) {
      const types = acceptedTypes(rules, limits);
      const named = tokens.map((token) => token.replace(/^\./, ""));
      return new SessionError("type_not_allowed", 0, { types: types.length ? types : named });
    }
    // Before the room: with room the file would be refused, too.
    const error = limits ? refusal(file, null, limits) : null;
    if (error) return error;
    const there = items.filter(({ status }) => status !== "failed");
    if (there.length >= maxFiles) {
      return new SessionError("quota_exceeded", 0, { max_files: maxFiles });
    }
    return there.some((one) => isSameFile(one, file)) ? new SessionError("duplicate") : null;
  };
  // A question that is open is not asked again.
  const isOpen = (file: File) =>
    uploads.getSnapshot().items.some((item) => isDuplicate(item) && isSameFile(item, file));
  const wanted = files.filter((file) => verdicts.get(file) !== false && !isOpen(file));
  if (wanted.length) uploads.add(wanted, check);
}
