"use client";
import { useSessionContext, useStore } from "../contexts/SessionContext.js";
import type { UploadSnapshot } from "../store/uploadItems.js";
import { createUploadStore, type UploadStore } from "../store/uploadStore.js";

export function useUploads(): UploadSnapshot & UploadStore {
  return useStore(useSessionContext().getUploads(createUploadStore));
}
