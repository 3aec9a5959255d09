/** A page of the package's components over a fake server, and the actions of a visitor on it. */
import { act, render, screen, waitFor, within, type RenderResult } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import type { ReactNode } from "react";
import { expect } from "vitest";
import { SessionProvider, useSession, type SessionProviderProps } from "../../src/index.js";
import { english } from "../../src/en.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";

export interface PageOptions extends Omit<SessionProviderProps, "children"> {
  server?: FakeServer;
}

export interface Page extends RenderResult {
  server: FakeServer;
  visitor: UserEvent;
}

/** Shows the state, so that a test can wait for it. */
function State() {
  const { status, uuid, session, start } = useSession();
  const isUnconfirmed = status === "ready" && !session;
  return (
    <>
      <output data-testid="state">{isUnconfirmed ? "unconfirmed" : status}</output>
      <output data-testid="uuid">{uuid}</output>
      <button type="button" onClick={() => void start()}>
        Say hello
      </button>
    </>
  );
}

/** Components inside a provider that uses the fake server. */
export function pageOf(children: ReactNode, { server, options, uploads, ...rest }: PageOptions) {
  const fakes = server && { fetch: server.fetch };
  return (
    <SessionProvider
      options={{ ...fakes, ...options }}
      uploads={{ ...(server && { transport: server.transport }), ...uploads }}
      messages={english}
      {...rest}
    >
      {children}
      <State />
    </SessionProvider>
  );
}

/** Render a page with the current `localStorage` and cookie. */
export function open(children: ReactNode, options: PageOptions = {}): Page {
  const server = options.server ?? createFakeServer();
  const visitor = userEvent.setup({ delay: null, pointerEventsCheck: 0 });
  return { ...render(pageOf(children, { ...options, server })), server, visitor };
}

/** Render a page, and wait until its session is confirmed. */
export async function openReady(children: ReactNode, options: PageOptions = {}): Promise<Page> {
  const page = open(children, { ...options, options: { autoStart: "load", ...options.options } });
  await state("ready");
  return page;
}

/** A server with a session of this browser, which has the cookie and the UUID. */
export async function visited(options?: Parameters<typeof createFakeServer>[0]) {
  const server = createFakeServer(options);
  await server.fetch("/api/v1/sessions/", { method: "POST" });
  const { uuid } = server.session();
  localStorage.setItem("session_uuid", uuid);
  return server;
}

/** Wait for a state of the session. */
export const state = (status: string) =>
  waitFor(() => expect(screen.getByTestId("state").textContent).toBe(status));

/** The UUID that the page shows. */
export const shownUuid = () => screen.getByTestId("uuid").textContent;

/** Click a button of the page, or of a part of it. */
export async function press(visitor: UserEvent, name: string | RegExp, part?: HTMLElement) {
  await visitor.click((part ? within(part) : screen).getByRole("button", { name }));
}

/** A file of so many bytes. */
export const file = (name: string, size = 1000) => new File([new Uint8Array(size)], name);

/** How many requests of this kind the server has received. */
export const requestCount = (server: FakeServer, method: string, path: string) =>
  server.requests.filter((request) => request.method === method && request.path === path).length;

/** Another tab has replaced the session. */
export async function replaceElsewhere(server: FakeServer) {
  await server.fetch("/api/v1/sessions/current/reset/", {
    method: "POST",
    headers: {
      "X-Session-UUID": server.session().uuid,
      "Content-Type": "application/json",
    },
    body: JSON.stringify({ reason: "requested" }),
  });
  localStorage.setItem("session_uuid", server.session().uuid);
  await act(async () => void window.dispatchEvent(new StorageEvent("storage", { key: null })));
}
