/** The provider keeps one session for the page, also with server rendering. */
import { act, render, screen, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { describe, expect, test, vi } from "vitest";
import {
  SessionProvider,
  SessionStatus,
  useSession,
  useSessionUUID,
  useUploads,
} from "../../src/index.js";
import { createFakeServer } from "../../src/testing/index.js";
import { requestCount, open, openReady, pageOf, press, shownUuid, state, visited } from "./page.js";

describe("beginning", () => {
  test("in StrictMode one request creates one session", async () => {
    const server = createFakeServer();
    render(<StrictMode>{pageOf(null, { server, options: { autoStart: "load" } })}</StrictMode>);
    await state("ready");
    expect(requestCount(server, "POST", "sessions/")).toBe(1);
    expect(server.sessions).toHaveLength(1);
    expect(shownUuid()).toBe(server.session().uuid);
    expect(localStorage.getItem("session_uuid")).toBe(server.session().uuid);
  });

  test("no request is sent before the visitor's first click or key", async () => {
    const { server, visitor } = open(<p>Welcome</p>);
    await state("idle");
    expect(server.requests).toEqual([]);
    await visitor.click(screen.getByText("Welcome"));
    await state("ready");
  });

  test("the first key creates a session", async () => {
    const { visitor } = open(null);
    await visitor.keyboard("x");
    await state("ready");
  });

  test("a key in the moment in which the page appears creates a session", async () => {
    const server = createFakeServer();
    const place = document.body.appendChild(document.createElement("div"));
    const root = createRoot(place);
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false); // React works as it does on a page.
    const appeared = new Promise((resolve) => {
      new MutationObserver(resolve).observe(place, { childList: true });
    });
    root.render(pageOf(null, { server }));
    await appeared;
    place.dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", bubbles: true }));
    await state("ready");
    expect(server.sessions).toHaveLength(1);
    root.unmount();
    place.remove();
    vi.unstubAllGlobals();
  });

  test('autoStart "manual" leaves it to the page', async () => {
    const { server, visitor } = open(<p>Welcome</p>, { options: { autoStart: "manual" } });
    await visitor.click(screen.getByText("Welcome"));
    expect(server.requests).toEqual([]);
    await press(visitor, "Say hello");
    await state("ready");
  });

  test("unmounting during the start and mounting again creates one session", async () => {
    const server = createFakeServer();
    const hold = server.hold({ method: "POST" });
    const first = open(null, { server, options: { autoStart: "load" } });
    await waitFor(() => expect(hold.count).toBe(1));
    first.unmount();
    open(null, { server, options: { autoStart: "load" } });
    hold.release();
    await state("ready");
    expect(server.sessions).toHaveLength(1);
  });
});

describe("a reload", () => {
  test("shows the UUID at once, even if the network never answers", async () => {
    const server = await visited();
    server.hold();
    open(null, { server });
    expect(shownUuid()).toBe(server.session().uuid);
    expect(screen.getByTestId("state")).toHaveTextContent("unconfirmed");
  });

  test("keeps the session", async () => {
    const server = await visited();
    open(null, { server });
    await state("ready");
    expect(server.sessions).toHaveLength(1);
    expect(requestCount(server, "POST", "sessions/")).toBe(1);
  });

  test("of a server-rendered page hydrates without a warning", async () => {
    const server = await visited();
    const page = pageOf(<UUID />, { server });
    const container = document.createElement("div");
    container.innerHTML = renderToString(page);
    document.body.append(container);
    expect(screen.getByTestId("state")).toHaveTextContent("idle");
    expect(screen.getByTestId("uuid")).toBeEmptyDOMElement();
    expect(server.requests).toHaveLength(1);
    render(page, { container, hydrate: true });
    await state("ready");
    expect(shownUuid()).toBe(server.session().uuid);
    expect(screen.getByText(`UUID: ${server.session().uuid}`)).toBeVisible();
  });
});

function UUID() {
  return <p>UUID: {useSessionUUID() ?? "none"}</p>;
}

describe("onSessionChanged", () => {
  test("calls the newest callback", async () => {
    const [old, newest] = [vi.fn(), vi.fn()];
    const { server, visitor, rerender } = open(null, { onSessionChanged: old });
    rerender(pageOf(null, { server, onSessionChanged: newest }));
    await press(visitor, "Say hello");
    await state("ready");
    expect(old).not.toHaveBeenCalled();
    expect(newest.mock.calls).toEqual([[null, server.session().uuid, "started"]]);
  });

  test("reports a change by another tab", async () => {
    const onSessionChanged = vi.fn();
    const { server } = await openReady(null, { onSessionChanged });
    const [mine, theirs] = [server.session().uuid, "1b4e28ba-2fa1-41d2-883f-0016d3cca427"];
    localStorage.setItem("session_uuid", theirs);
    act(() => void window.dispatchEvent(new StorageEvent("storage", { key: "session_uuid" })));
    await waitFor(() =>
      expect(onSessionChanged).toHaveBeenLastCalledWith(mine, theirs, "other_tab"),
    );
    await state("mismatch");
  });

  test("is optional", async () => {
    const { visitor } = open(null);
    await press(visitor, "Say hello");
    await state("ready");
  });
});

describe("useSessionUUID", () => {
  test("is null, then the UUID, then null", async () => {
    const shown: (string | null)[] = [];
    function Watch() {
      shown.push(useSessionUUID());
      const { status, endSession } = useSession();
      return status === "ready" ? <button onClick={() => void endSession()}>End</button> : null;
    }
    const { server, visitor } = open(<Watch />);
    expect(shown.at(-1)).toBeNull();
    await press(visitor, "Say hello");
    await state("ready");
    expect(shown.at(-1)).toBe(server.session().uuid);
    await press(visitor, "End");
    await state("idle");
    expect(shown.at(-1)).toBeNull();
    expect(server.session().status).toBe("ended");
  });

  test("renders again only when the UUID changes", async () => {
    const shown: (string | null)[] = [];
    function Watch() {
      shown.push(useSessionUUID());
      return null;
    }
    const server = await visited();
    open(<Watch />, { server });
    await state("ready");
    expect(shown).toEqual([server.session().uuid]);
  });
});

test("useUploads returns one store for the whole provider", async () => {
  function Count() {
    return <p>{useUploads().items.length} files</p>;
  }
  const server = await visited();
  server.addFile("a.pdf");
  open(
    <>
      <Count />
      <Count />
    </>,
    { server },
  );
  await waitFor(() => expect(screen.getAllByText("1 files")).toHaveLength(2));
  expect(requestCount(server, "GET", "uploads/")).toBe(1);
});

test.each([
  ["useSession", useSession],
  ["useSessionUUID", useSessionUUID],
  ["useUploads", useUploads],
])("%s throws outside a provider", (_, useIt) => {
  vi.spyOn(console, "error").mockImplementation(() => undefined); // React reports it too.
  function Lost() {
    useIt();
    return null;
  }
  expect(() => render(<Lost />)).toThrow("No <SessionProvider> found.");
});

test("components throw if the provider has no language", () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const page = (
    <SessionProvider>
      <SessionStatus />
    </SessionProvider>
  );
  expect(() => render(page)).toThrow("SessionProvider needs a `language`");
});
