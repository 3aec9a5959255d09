export { SessionError } from "./api/http.js";
export type { Problem, ResetReason, Schemas } from "./api/http.js";
export type { Activity, ActivityPage, CurrentSession, Identity } from "./api/sessionApi.js";
export type { Transport, TransportRequest, Upload } from "./api/uploadApi.js";
export { isSessionUUID, memoryCredentials, storageCredentials } from "./utils/sessionUtils.js";
export type { CredentialStore, KeyValueStorage } from "./utils/sessionUtils.js";
export { createSessionStore } from "./store/sessionStore.js";
export type { SessionStore } from "./store/sessionStore.js";
export type {
  ChangeReason,
  SessionSnapshot,
  SessionState,
  SessionStoreOptions,
} from "./store/sessionState.js";
export { createUploadStore } from "./store/uploadStore.js";
export type { UploadItem, UploadSnapshot } from "./store/uploadItems.js";
export type { UploadStore, UploadStoreOptions } from "./store/uploadStore.js";
export { SessionProvider, useSession } from "./contexts/SessionContext.js";
export type { UseSession } from "./contexts/SessionContext.js";
export type { ClassNames, Part, SessionProviderProps } from "./contexts/SessionContext.js";
export { useKeptFocus } from "./hooks/useKeptFocus.js";
export { useSessionUUID } from "./hooks/useSessionUUID.js";
export { useUploads } from "./hooks/useUploads.js";
export type { UseUploads } from "./hooks/useUploads.js";
export type { BeforeAdd, FileRules } from "./hooks/useAdd.js";
export type { DataTexts, Messages, Plural, Texts, Words } from "./language.js";
export type { EventName, Events } from "./events.js";
export { SessionResetAlert } from "./components/shared/SessionResetAlert.js";
export type { SessionResetAlertProps } from "./components/shared/SessionResetAlert.js";
export { ResetSession, SessionStatus, WhereAreMyFiles } from "./components/SessionStatus.js";
export type { ResetSessionProps, SessionStatusProps } from "./components/SessionStatus.js";
export { FileUpload } from "./components/FileUpload.js";
export type { FileUploadProps } from "./components/FileUpload.js";
export { AttachButton } from "./components/AttachButton.js";
export type { AttachButtonProps } from "./components/AttachButton.js";
