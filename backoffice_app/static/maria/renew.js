// Renews an element in place. What does not change keeps its node, and with it focus, caret,
// selection, scroll position and typed text. Children are matched by id, else by their place.
// Without JavaScript nothing is renewed: a page shows the state in which it was opened.

// What this browser sets itself: open <details>, and what a script has shown.
const OURS = new Set(["open", "hidden"]);

/** Make `old` like `fresh`, which is of another document. An open dialog stays as it is. */
export function renew(old, fresh) {
  const focused = document.activeElement;
  renewNode(old, fresh);
  if (focused === document.activeElement) return;
  if (!focused.isConnected) old.tabIndex = -1;
  (focused.isConnected ? focused : old).focus({ preventScroll: true });
}

function renewNode(old, fresh) {
  if (old.isEqualNode(fresh) || old.matches?.("dialog[open]")) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  renewAttributes(old, fresh);
  renewChildren(old, fresh);
}

function renewAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!OURS.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (!OURS.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function renewChildren(old, fresh) {
  const kept = keptById(old, fresh);
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const same = kept.get(wanted.id) ?? (isAlike(place, wanted) ? place : null);
    if (same) place = removeBefore(same, place, kept, old);
    if (same) renewNode(same, wanted);
    else old.insertBefore(document.importNode(wanted, true), place);
    if (same) place = same.nextSibling;
  }
  while (place) place = removed(place);
}

/** Return the children that are in both, by id. */
function keptById(old, fresh) {
  const ids = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  const kept = [...old.children].filter((child) => ids.has(child.id));
  return new Map(kept.map((child) => [child.id, child]));
}

function isAlike(old, wanted) {
  return old?.nodeName === wanted.nodeName && !old.id && !wanted.id;
}

/** Bring `child` to `place`: by removing what is between them, or by moving it before a kept one. */
function removeBefore(child, place, kept, parent) {
  while (place !== child && place && !kept.has(place.id)) place = removed(place);
  if (place !== child) parent.insertBefore(child, place);
  return child;
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
