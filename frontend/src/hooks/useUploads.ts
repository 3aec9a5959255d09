"use client";
import { useSessionContext, useStore } from "../contexts/SessionContext.js";
import { createUploadStore, type UploadSnapshot, type UploadStore } from "../store/uploadStore.js";

/** Return the session's files and the methods for them. */
export function useUploads(): UploadSnapshot & UploadStore {
  return useStore(useSessionContext().getUploads(createUploadStore));
}
