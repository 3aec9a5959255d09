import { english, type Messages } from "@maria/sessions/en";

/** The visitor's language. English is in the bundle; the others are loaded if they are needed. */
export async function readyLanguage(): Promise<Messages> {
  const wanted = navigator.language.slice(0, 2);
  if (wanted === "ar") {
    const { arabic } = await import("@maria/sessions/ar");
    return write("مستنداتك", arabic);
  }
  if (wanted === "de") {
    const { german } = await import("@maria/sessions/de");
    return write("Ihre Unterlagen", german);
  }
  return english;
}

/** Write the page's own words in a language. */
function write(title: string, language: Messages): Messages {
  const { documentElement: html } = document;
  html.lang = language.lang;
  html.dir = language.dir;
  document.title = title;
  for (const heading of html.querySelectorAll("h1")) heading.textContent = title;
  return language;
}
