// Takes personal values that were revealed out of a page whose reader was signed out. What was typed
// stays. Without JavaScript a page does not notice a sign-out.

/** Remove the content of a page with revealed values, except forms in which something was typed. */
export function hideRevealed() {
  for (const value of document.querySelectorAll("[data-personal]")) value.textContent = "•••";
  const content = document.querySelector("#content[data-revealed]");
  if (!content) return;
  const typed = [...content.querySelectorAll("form")].filter(isTyped);
  content.replaceChildren(explanation(), ...typed);
  delete content.dataset.revealed;
}

function isTyped(form) {
  const fields = form.querySelectorAll("textarea, input:not([type=hidden])");
  return [...fields].some((field) => field.value !== field.defaultValue);
}

function explanation() {
  const note = document.createElement("p");
  note.className = "admin-note";
  note.textContent = "Personal values were shown here. Sign in again and reload the page to see it.";
  return note;
}
