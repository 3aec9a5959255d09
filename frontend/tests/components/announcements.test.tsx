/** What a screen reader announces while files are sent: one summary, however many files there are. */
import { act, fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { FileUpload } from "../../src/index.js";
import { file, openReady, press, state } from "./page.js";

const PROBLEM = "There is a problem with your files.";
const input = () => screen.getByLabelText<HTMLInputElement>(/Choose files/);
/** Not by role, which takes long for 100 rows. */
const rows = () => [...document.querySelectorAll("li")];

/** Collect the texts of live regions that appear or change, as a screen reader reads them. */
function listen() {
  const heard = { alert: [] as string[], status: [] as string[] };
  const last = new WeakMap<Element, string>();
  const note = () => {
    for (const region of document.querySelectorAll("[role=alert], [role=status]")) {
      const text = region.textContent;
      if (text !== (last.get(region) ?? "")) {
        heard[region.getAttribute("role") as "alert" | "status"].push(text);
      }
      last.set(region, text);
    }
  };
  new MutationObserver(note).observe(document, {
    ...{ subtree: true, childList: true, characterData: true },
  });
  return heard;
}

test("100 dropped files make one alert and one summary", async () => {
  const { server } = await openReady(<FileUpload />);
  await screen.findByText("No files yet.");
  const heard = listen();
  const files = [...Array(100).keys()].map((key) => file(`${key}.${key < 3 ? "pdf" : "txt"}`));
  fireEvent.drop(input(), { dataTransfer: { types: ["Files"], files } });
  await waitFor(() =>
    expect(heard.status.at(-1)).toBe("3 files stored. 97 files have a problem. The list says why."),
  );
  expect(heard).toEqual({ alert: [PROBLEM], status: ["Uploading…", heard.status.at(-1)] });
  expect(server.session().files).toHaveLength(3);
  const said = rows().map(({ textContent }) => textContent);
  expect(said.filter((text) => text.includes("Only PDF can be uploaded."))).toHaveLength(97);
});

test("files that cannot be sent are an alert once, and not at each try", async () => {
  const { server } = await openReady(<FileUpload />);
  await screen.findByText("No files yet.");
  const heard = listen();
  const wait = (seconds: number) => act(() => vi.advanceTimersByTimeAsync(seconds * 1000));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    server.stepwise = true;
    for (let tries = 0; tries < 12; tries++) server.failNext({ method: "POST", path: "uploads/" });
    fireEvent.change(input(), {
      target: { files: ["a.pdf", "b.pdf", "c.pdf"].map((name) => file(name)) },
    });
    // The page shows files that are sent again before they fail again.
    for (let tries = 0; tries < 10; tries++) {
      await wait(20);
      server.transfers.forEach(({ finish }) => finish());
    }
    await wait(1);
    expect(rows().map((item) => item.dataset.status)).toEqual(["failed", "failed", "failed"]);
    expect(server.requests.filter(({ method }) => method === "POST").length).toBeGreaterThan(9);
    expect(heard).toEqual({
      alert: [PROBLEM],
      status: ["Uploading…", "3 files have a problem. The list says why."],
    });
    server.stepwise = false;
    screen.getAllByRole("button", { name: "Try again" }).forEach((button) => button.click());
    await wait(1);
  } finally {
    vi.useRealTimers();
  }
  await waitFor(() => expect(heard.status.at(-1)).toBe("3 files stored."));
  expect(heard.alert).toEqual([PROBLEM]);
  expect(screen.queryByRole("alert")).toBeNull();
  fireEvent.change(input(), { target: { files: [file("empty.pdf", 0)] } });
  await waitFor(() => expect(heard.alert).toEqual([PROBLEM, PROBLEM]));
});

test("one file with a problem is named with its reason", async () => {
  const { visitor } = await openReady(<FileUpload />);
  await state("ready");
  await visitor.upload(input(), file("\u202eempty.pdf", 0));
  const summary = await screen.findByText(/This file is empty/, { selector: "[role=status]" });
  expect(summary).toHaveTextContent("\u2068empty.pdf\u2069: This file is empty.");
  await press(visitor, "Remove");
  await waitFor(() => expect(summary).toBeEmptyDOMElement());
});
