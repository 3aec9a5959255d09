"use client";
import { useSessionContext, useStore } from "../contexts/SessionContext.js";
import { createUploadStore, type UploadSnapshot, type UploadStore } from "../store/uploadStore.js";

export function useUploads(): UploadSnapshot & UploadStore {
  return useStore(useSessionContext().getUploads(createUploadStore));
}
