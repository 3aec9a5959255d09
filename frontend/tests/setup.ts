/** What every test file begins with: matchers for the document, and a clean one after each test. */
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, expect, vi } from "vitest";

// Only how long a failing test waits.
vi.setConfig({ testTimeout: 30_000 });
configure({ asyncUtilTimeout: 10_000 });

// React tells of wrong HTML, of lost keys and of a hydration that differs in this way only.
const complaints: unknown[][] = [];
console.error = (...words: unknown[]) => void complaints.push(words);

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  expect(complaints.splice(0)).toEqual([]);
  if ("localStorage" in globalThis) localStorage.clear();
});

// jsdom draws nothing, so it has no modal dialogs. This is as much of them as can be told without a
// layout; that the focus stays inside and comes back is shown in Chromium.
if ("HTMLDialogElement" in globalThis) {
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
    setTimeout(() => this.dispatchEvent(new Event("close")));
  };
  document.onkeydown = ({ key }) => {
    if (key !== "Escape") return;
    const open = [...document.querySelectorAll<HTMLDialogElement>("dialog[open]")].at(-1);
    open?.close();
  };
}
