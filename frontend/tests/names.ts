/**
 * Every public name of every entry, except those of `/core`, which `coreNames.ts` has. It does not
 * compile if one disappears. The test of the package compiles it against the packed declarations.
 */
export {
  AttachButton,
  FileUpload,
  ResetSession,
  SessionProvider,
  SessionResetAlert,
  SessionStatus,
  useKeptFocus,
  useSession,
  useSessionUUID,
  useUploads,
  WhereAreMyFiles,
  type AttachButtonProps,
  type BeforeAdd,
  type ClassNames,
  type DataTexts,
  type EventName,
  type Events,
  type FileRules,
  type FileUploadProps,
  type Messages,
  type Part,
  type Plural,
  type ResetSessionProps,
  type SessionProviderProps,
  type SessionResetAlertProps,
  type SessionStatusProps,
  type Texts,
  type UseSession,
  type UseUploads,
  type Words,
} from "@maria/sessions";
export { arabic, arabicData } from "@maria/sessions/ar";
export { german, germanData } from "@maria/sessions/de";
export { MariaUploads, type MariaUploadsEventMap } from "@maria/sessions/element";
export {
  createLanguage,
  english,
  englishData,
  type Messages as EnglishMessages,
} from "@maria/sessions/en";
export {
  createFakeServer,
  type Failure,
  type FakeBrowser,
  type FakeRequest,
  type FakeServer,
  type FakeServerOptions,
  type FakeSession,
  type FakeTransfer,
  type Hold,
  type RefusalCode,
  type Which,
} from "@maria/sessions/testing";
export {
  YourData,
  type ConsentText,
  type DataPart,
  type YourDataProps,
} from "@maria/sessions/your-data";
