import "@maria/sessions/styles.css";
import "./page.css";
import type { Metadata } from "next";
import type { ReactNode } from "react";
import { Session } from "./session";

export const metadata: Metadata = { title: "Your documents", icons: "/mark.svg" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Session>{children}</Session>
      </body>
    </html>
  );
}
