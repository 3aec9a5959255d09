// @vitest-environment node
/** On a server there is no visitor: every component renders idle and sends no request. */
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import {
  AttachButton,
  FileUpload,
  ResetSession,
  SessionProvider,
  SessionResetAlert,
  SessionStatus,
  useSession,
  useSessionUUID,
  WhereAreMyFiles,
} from "../../src/index.js";
import { YourData } from "../../src/components/YourData.js";
import { english } from "../../src/en.js";

function State() {
  const { status, persistent } = useSession();
  const uuid = useSessionUUID();
  return <p>{JSON.stringify({ status, persistent, uuid }).replaceAll('"', "")}</p>;
}

test("all components render without a window, idle", () => {
  const fetch = vi.fn();
  const html = renderToString(
    <SessionProvider messages={english} options={{ fetch, autoStart: "load" }}>
      <State />
      <SessionStatus />
      <FileUpload />
      <AttachButton />
      <SessionResetAlert />
      <WhereAreMyFiles />
      <ResetSession />
      <YourData />
    </SessionProvider>,
  );
  expect(html).toContain("<p>{status:idle,persistent:true,uuid:null}</p>");
  expect(html).toContain("Loading your files…");
  expect(html).not.toMatch(/ style=|<style|<script| on\w+=/);
  expect(fetch).not.toHaveBeenCalled();
});
