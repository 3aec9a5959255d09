/**
 * An app that compiles with `exactOptionalPropertyTypes`. It passes on what it may not have, such
 * as the variables of its build.
 */
import {
  createSessionStore,
  createUploadStore,
  FileUpload,
  ResetSession,
  SessionError,
  SessionProvider,
  useSession,
  type ClassNames,
  type CredentialStore,
  type Identity,
  type SessionProviderProps,
  type SessionStoreOptions,
  type UploadItem,
  type UploadStoreOptions,
} from "@maria/sessions";
import {
  createFakeServer,
  type Failure,
  type FakeServerOptions,
  type Which,
} from "@maria/sessions/testing";
import { YourData } from "@maria/sessions/your-data";

/** `T` with undefined as a value of each field that may be missing. */
type Loose<T> = { [Name in keyof T]: object extends Pick<T, Name> ? T[Name] | undefined : T[Name] };
type Takes<T> = Loose<T> extends T ? true : never;
type Props<Component extends (props: never) => unknown> = Parameters<Component>[0];

export const take: [
  Takes<SessionProviderProps>,
  Takes<SessionStoreOptions>,
  Takes<UploadStoreOptions>,
  Takes<CredentialStore>,
  Takes<Identity>,
  Takes<SessionError["problem"]>,
  Takes<UploadItem>,
  Takes<FakeServerOptions>,
  Takes<Failure>,
  Takes<Which>,
  Takes<Props<typeof ResetSession>>,
  Takes<Props<typeof YourData>>,
] = [true, true, true, true, true, true, true, true, true, true, true, true];

interface AppProps {
  baseUrl?: string | undefined;
  timeout?: number | undefined;
  onSessionChanged?: SessionProviderProps["onSessionChanged"];
  /** A CSS module: with `noUncheckedIndexedAccess` its names may be undefined. */
  styles: Record<string, string | undefined>;
}

export function App({ baseUrl, timeout, onSessionChanged, styles }: AppProps) {
  const classNames: ClassNames = { button: styles["button"] };
  return (
    <SessionProvider
      options={{ baseUrl, timeout, fetch: undefined, autoStart: undefined }}
      uploads={{ concurrency: undefined }}
      messages={undefined}
      classNames={classNames}
      onSessionChanged={onSessionChanged}
    >
      <FileUpload />
      <Name name={undefined} />
    </SessionProvider>
  );
}

function Name({ name }: { name: string | undefined }) {
  const session = useSession();
  return <button onClick={() => void session.identify({ name, email: undefined })}>Save</button>;
}

export const uploads = createUploadStore(createSessionStore({ storage: undefined }), {});
createFakeServer({ limits: undefined }).failNext({ status: undefined });
