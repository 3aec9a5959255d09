"use client";
import { useSessionContext, useStore } from "../contexts/SessionContext.js";
import type { SessionStore } from "../store/sessionStore.js";
import { createUploadStore, type UploadSnapshot, type UploadStore } from "../store/uploadStore.js";

/** One upload store for each session store, made when first wanted. */
const stores = new WeakMap<SessionStore, UploadStore>();

/** The session's files, and everything that can be done with them. */
export function useUploads(): UploadSnapshot & UploadStore {
  const { session, uploads: options } = useSessionContext();
  const uploads = stores.get(session) ?? createUploadStore(session, options);
  stores.set(session, uploads);
  return useStore(uploads);
}
