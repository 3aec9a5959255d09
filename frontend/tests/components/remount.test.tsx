/** A provider that is mounted again continues with the stores that it had. */
import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { StrictMode, type ReactElement } from "react";
import { expect, test, vi } from "vitest";
import { FileUpload, type SessionProviderProps } from "../../src/index.js";
import { createFakeServer, type FakeServer } from "../../src/testing/index.js";
import { randomUuid } from "../../src/testing/random.js";
import { file, pageOf, requestCount, shownUuid, state } from "./page.js";

/** A page whose options are written anew each time, as in JSX. */
const pageAt = (server: FakeServer, props: Partial<SessionProviderProps> = {}) =>
  pageOf(<FileUpload />, { server, options: { autoStart: "load" }, ...props });

/** A page that is sending two files. */
async function sending() {
  const server = createFakeServer();
  server.stepwise = true;
  render(pageAt(server));
  await state("ready");
  await userEvent.upload(screen.getByLabelText(/Choose files/), [file("a.pdf"), file("b.pdf")]);
  await waitFor(() => expect(server.transfers).toHaveLength(2));
  act(() => server.transfers[0]?.progress(500));
  return { server, sent: server.requests.length };
}

/** Unmount everything, as a change of the route does, and show the page. */
async function again(page: ReactElement) {
  cleanup();
  render(page);
  await state("ready");
}

test("it shows the files on their way, and asks the server for nothing", async () => {
  const { server, sent } = await sending();
  for (let times = 0; times < 3; times++) {
    await again(pageAt(server));
    const [a, b] = screen.getAllByRole("progressbar");
    expect([a, b].map((bar) => bar?.getAttribute("value"))).toEqual(["500", "0"]);
  }
  expect(server.requests).toHaveLength(sent);
  act(() => server.transfers.forEach(({ finish }) => finish()));
  expect(await screen.findAllByText(/^Stored/)).toHaveLength(2);
  await again(pageAt(server));
  expect(screen.getAllByText(/^Stored/)).toHaveLength(2);
  expect(requestCount(server, "GET", "uploads/")).toBe(1);
  expect(server.session().files).toHaveLength(2);
});

test("a file that arrives meanwhile is shown as stored", async () => {
  const { server } = await sending();
  cleanup();
  server.transfers.forEach(({ finish }) => finish());
  await waitFor(() => expect(server.session().files).toHaveLength(2));
  await again(pageAt(server));
  expect(await screen.findAllByText(/^Stored/)).toHaveLength(2);
});

test("in StrictMode, too, it asks once", async () => {
  const server = createFakeServer();
  const strict = () => <StrictMode>{pageAt(server)}</StrictMode>;
  render(strict());
  await state("ready");
  await screen.findByText("No files yet.");
  const sent = server.requests.length;
  expect(sent).toBe(3);
  await again(strict());
  await screen.findByText("No files yet.");
  expect(server.requests).toHaveLength(sent);
});

test("it follows what another tab did meanwhile, and reports it", async () => {
  const { server } = await sending();
  const before = shownUuid();
  cleanup();
  localStorage.clear();
  const onSessionChanged = vi.fn();
  await again(pageAt(server, { onSessionChanged }));
  expect(onSessionChanged.mock.calls).toEqual([
    [before, null, "other_tab"],
    [null, before, "started"],
  ]);
  expect(screen.queryAllByRole("progressbar")).toEqual([]);
});

test("two providers with the same options are one session, and both report a change", async () => {
  const server = createFakeServer();
  const [here, there] = [vi.fn(), vi.fn()];
  render(pageAt(server, { onSessionChanged: here }));
  await state("ready");
  const other = render(pageAt(server, { onSessionChanged: there }));
  expect(screen.getAllByTestId("uuid").map(({ textContent }) => textContent)).toEqual([
    server.session().uuid,
    server.session().uuid,
  ]);
  expect(requestCount(server, "GET", "uploads/")).toBe(1);
  const leave = (uuid: string) => {
    localStorage.setItem("session_uuid", uuid);
    act(() => void window.dispatchEvent(new StorageEvent("storage", { key: "session_uuid" })));
  };
  leave(randomUuid());
  await waitFor(() => expect(here).toHaveBeenCalledTimes(2));
  expect(there).toHaveBeenCalledTimes(1);
  other.unmount();
  leave(server.session().uuid);
  await waitFor(() => expect(here).toHaveBeenCalledTimes(3));
  expect(there).toHaveBeenCalledTimes(1);
});

test("other options have other stores, and of old ones only some are kept", async () => {
  const servers = Array.from({ length: 6 }, () => createFakeServer());
  for (const server of servers) {
    localStorage.clear();
    await again(pageAt(server));
    expect(shownUuid()).toBe(server.session().uuid);
  }
  const [oldest, newest] = [servers[0]!, servers[5]!];
  await again(pageAt(newest));
  expect(requestCount(newest, "GET", "sessions/current/")).toBe(1);
  localStorage.setItem("session_uuid", oldest.session().uuid);
  await again(pageAt(oldest));
  expect(requestCount(oldest, "GET", "sessions/current/")).toBe(2);
});

test("a refusal is not kept: it asks again", async () => {
  const server = createFakeServer();
  server.failNext({ code: "origin_not_allowed" });
  render(pageAt(server));
  await state("failed");
  await again(pageAt(server));
  expect(shownUuid()).toBe(server.session().uuid);
});
