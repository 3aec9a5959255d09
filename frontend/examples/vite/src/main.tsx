import "@maria/sessions/styles.css";
import { createRoot } from "react-dom/client";
import { FileUpload, SessionProvider, SessionResetAlert, SessionStatus } from "@maria/sessions";
import { readyLanguage } from "./language";

const options = { baseUrl: import.meta.env.VITE_MARIA_API };
const language = await readyLanguage();
const page = (
  <SessionProvider options={options} language={language}>
    <SessionStatus />
    <FileUpload />
    <SessionResetAlert />
  </SessionProvider>
);
createRoot(document.getElementById("root") as HTMLElement).render(page);
