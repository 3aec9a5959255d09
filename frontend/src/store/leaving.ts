const ask = (event: Event) => event.preventDefault();

/** Let the browser ask before the page is left, or not any more. */
export function askBeforeLeaving(isOnItsWay: boolean): void {
  // Only while it is needed: browsers keep pages without this listener for the back button.
  const change = isOnItsWay ? "addEventListener" : "removeEventListener";
  if (typeof window === "object") window[change]("beforeunload", ask);
}
