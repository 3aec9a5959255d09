"use client";
import type { ReactNode } from "react";
import { SessionProvider, SessionResetAlert, SessionStatus } from "@maria/sessions";
import { english } from "@maria/sessions/en";

/** The visitor's session, for all pages. The language has functions, so it is set in the browser. */
export function Session({ children }: { children: ReactNode }) {
  return (
    <SessionProvider language={english}>
      {children}
      <SessionStatus />
      <SessionResetAlert />
    </SessionProvider>
  );
}
