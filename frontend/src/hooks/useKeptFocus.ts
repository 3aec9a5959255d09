"use client";
import { useCallback, useRef } from "../react.js";

const CONTROLS = "a[href], button, input, select, textarea, summary";
const GROUPS = "ul, ol, details, dialog, section, main, [role], body > *";

/**
 * Return a ref for an element that may disappear while it has the focus. Then the focus moves to the
 * next control of the same list or region, else to the previous one, else to the region. Without
 * this it would fall to the top of the page.
 *
 * @param takesFocus whether the element takes the focus when it appears and nothing else has it
 */
export function useKeptFocus(takesFocus?: boolean): (element: HTMLElement | null) => void {
  const keptRef = useRef<HTMLElement | null>(null);
  return useCallback(
    (element) => {
      if (element && takesFocus && isLost(rootOf(element))) element.focus();
      // React passes null just before it removes the element.
      if (!element && keptRef.current) keepFocus(keptRef.current);
      keptRef.current = element;
    },
    [takesFocus],
  );
}

/** A shadow root has its own `activeElement`. */
const rootOf = (element: Element) => element.getRootNode() as Document;

const isLost = (root: Document) => !root.activeElement || root.activeElement === root.body;

/** Give the focus to a neighbour of an element that is about to be removed. */
function keepFocus(element: HTMLElement): void {
  const root = rootOf(element);
  // A dialog that has just been closed had the focus.
  if (!element.contains(root.activeElement) && !element.closest("dialog:not([open])")) return;
  const groups = groupsOf(element);
  const place = element.ownerDocument.createRange(); // Stays at its place in the document.
  place.setStartBefore(element);
  // After React and the browser have done their part: a closed dialog returns the focus.
  queueMicrotask(() => {
    if (isLost(root) && !neighbours(place, groups[0]).some(take)) groups.some(takeGroup);
  });
}

/** The lists and regions around an element, from the inside. */
function groupsOf(element: Element | null): HTMLElement[] {
  const group = element?.closest<HTMLElement>(GROUPS);
  return group ? [group, ...groupsOf(group.parentElement)] : [];
}

/** The controls of a group: those after a place, then those before it, the nearest first. */
function neighbours(place: Range, group: HTMLElement | undefined): HTMLElement[] {
  if (!group?.isConnected) return [];
  const controls = [...group.querySelectorAll<HTMLElement>(CONTROLS)];
  const isNext = (control: Element) => place.comparePoint(control, 0) > 0;
  return [...controls.filter(isNext), ...controls.filter((one) => !isNext(one)).reverse()];
}

/** Focus an element. One that is removed, hidden or behind a dialog does not take the focus. */
function take(element: HTMLElement): boolean {
  element.focus();
  return rootOf(element).activeElement === element;
}

function takeGroup(group: HTMLElement): boolean {
  if (!group.textContent) return false; // There is nothing to see or to hear.
  if (!group.hasAttribute("tabindex")) group.tabIndex = -1;
  return take(group);
}
