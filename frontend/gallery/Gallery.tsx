import {
  AttachButton,
  FileUpload,
  ResetSession,
  SessionProvider,
  SessionResetAlert,
  SessionStatus,
  WhereAreMyFiles,
  type FileUploadProps,
  type SessionProviderProps,
} from "@maria/sessions";
import { arabic, arabicData } from "@maria/sessions/ar";
import { german, germanData } from "@maria/sessions/de";
import { english, englishData } from "@maria/sessions/en";
import { YourData } from "@maria/sessions/your-data";

const LANGUAGES = {
  en: [english, englishData],
  de: [german, germanData],
  ar: [arabic, arabicData],
} as const;

export type Language = keyof typeof LANGUAGES;

interface GalleryProps extends SessionProviderProps {
  lang: Language;
  /** Which components there are. */
  shows: "files" | "compact" | "disabled" | "composer" | "data" | "everything";
}

const CONSENTS = [{ purpose: "contact", version: "1", label: "Maria may write to me." }];

/** The package's components in a page that adds no style of its own. */
export function Gallery({ lang, shows, ...provider }: GalleryProps) {
  const props: FileUploadProps = { compact: shows === "compact", disabled: shows === "disabled" };
  const [language, data] = LANGUAGES[lang];
  const isAll = shows === "everything";
  return (
    <SessionProvider language={language} messages={data} {...provider}>
      <SessionStatus />
      {shows === "data" || <FileUpload {...props} />}
      {(isAll || shows === "composer") && (
        <p>
          <AttachButton pageWide={false} />
        </p>
      )}
      {(isAll || shows === "data") && <YourData consents={CONSENTS} />}
      {isAll && <ResetSession />}
      {shows !== "data" && <WhereAreMyFiles />}
      <SessionResetAlert />
    </SessionProvider>
  );
}
