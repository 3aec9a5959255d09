/** Everything that needs no React: the stores, for a page of your own making. */
export { SessionError } from "./api/http.js";
export type { Answer, Http, Problem, ResetReason, Schemas } from "./api/http.js";
export type { Activity, ActivityPage, CurrentSession, Identity } from "./api/sessionApi.js";
export type { Transport, TransportRequest, Upload } from "./api/uploadApi.js";
export { isSessionUUID, memoryCredentials, storageCredentials } from "./utils/sessionUtils.js";
export type { CredentialStore, KeyValueStorage } from "./utils/sessionUtils.js";
export type { News } from "./store/news.js";
export { createSessionStore } from "./store/sessionStore.js";
export type { SessionStore } from "./store/sessionStore.js";
export type {
  ChangeReason,
  SessionEvents,
  SessionSnapshot,
  SessionState,
  SessionStoreOptions,
} from "./store/sessionState.js";
export { createUploadStore } from "./store/uploadStore.js";
export type {
  FileCheck,
  UploadEvents,
  UploadItem,
  UploadSnapshot,
  UploadStoreOptions,
} from "./store/uploadItems.js";
export type { UploadStore } from "./store/uploadStore.js";
