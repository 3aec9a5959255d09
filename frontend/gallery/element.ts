import { createFakeServer } from "@maria/sessions/testing";

const server = createFakeServer({ limits: { types: ["pdf"] } });

// The built script, as a page without a bundler loads it.
await import(/* @vite-ignore */ new URL("./maria/element.js", location.href).href);

const element = document.createElement("maria-uploads");
Object.assign(element, {
  options: { fetch: server.fetch },
  uploads: { transport: server.transport },
});
element.setAttribute("auto-start", "load");
for (const name of ["maria-stored", "maria-error"]) {
  element.addEventListener(name, () => {
    document.querySelector("output")?.append(`${name} `);
  });
}
document.getElementById("root")?.append(element);
