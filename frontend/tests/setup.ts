/** Set-up of every test file: matchers for the document, and a clean document after each test. */
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, expect, vi } from "vitest";

// Only affects how long a failing test waits.
vi.setConfig({ testTimeout: 30_000 });
configure({ asyncUtilTimeout: 10_000 });

// React reports wrong HTML, missing keys and hydration errors only here.
const complaints: unknown[][] = [];
console.error = (...words: unknown[]) => void complaints.push(words);

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  expect(complaints.splice(0)).toEqual([]);
  if ("localStorage" in globalThis) localStorage.clear();
});

// jsdom has no layout and no modal dialogs. This replaces the part that needs no layout; the tests
// in Chromium check that the focus stays inside.
if ("HTMLDialogElement" in globalThis) {
  const openers = new WeakMap<HTMLDialogElement, Element | null>();
  HTMLDialogElement.prototype.showModal = function () {
    openers.set(this, document.activeElement);
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    if (this.open) (openers.get(this) as HTMLElement | null)?.focus();
    this.open = false;
    setTimeout(() => this.dispatchEvent(new Event("close")));
  };
  document.onkeydown = ({ key }) => {
    if (key !== "Escape") return;
    const open = [...document.querySelectorAll<HTMLDialogElement>("dialog[open]")].at(-1);
    open?.close();
  };
}
