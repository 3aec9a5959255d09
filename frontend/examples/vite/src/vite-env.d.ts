/// <reference types="vite/client" />

interface ImportMetaEnv {
  readonly VITE_MARIA_API: string;
}
