"use client";
import { useSessionContext, useStore } from "../contexts/SessionContext.js";
import type { SessionStore } from "../store/sessionStore.js";
import type { UploadSnapshot } from "../store/uploadItems.js";
import { createUploadStore, type UploadStore } from "../store/uploadStore.js";

/** The upload store of each session store. It exists as long, also while no component shows it. */
const uploadStores = new WeakMap<SessionStore, UploadStore>();

/** What `useUploads` returns: the files, and what can be done with them. */
export type UseUploads = UploadSnapshot & UploadStore;

export function useUploads(): UseUploads {
  const { session, options } = useSessionContext();
  const uploads = uploadStores.get(session) ?? createUploadStore(session, options);
  uploadStores.set(session, uploads);
  return useStore(uploads);
}
