import { createFakeServer } from "@maria/sessions/testing";
import { german } from "@maria/sessions/de";

const options = new URLSearchParams(location.search);
const server = createFakeServer({ limits: { types: ["pdf"] } });
server.offline = options.has("offline");

// The built script, as a page without a bundler loads it.
const load = () => import(/* @vite-ignore */ new URL("./maria/element.js", location.href).href);
const isEarly = options.has("early"); // The page is faster than the script.
if (!isEarly) await load();

const element = document.createElement("maria-uploads");
Object.assign(element, {
  options: { fetch: server.fetch },
  uploads: { transport: server.transport },
  ...(isEarly && { language: german, messages: { choose: "Belege auswählen" } }),
});
element.setAttribute("auto-start", "load");
for (const name of ["maria-stored", "maria-error"]) {
  element.addEventListener(name, () => {
    document.querySelector("output")?.append(`${name} `);
  });
}
document.getElementById("root")?.append(element);
if (isEarly) await load();
