import "@maria/sessions/styles.css";
import { createFakeServer } from "@maria/sessions/testing";
import { createRoot, hydrateRoot } from "react-dom/client";
import { Gallery, type Language } from "./Gallery";
import { STATES } from "./states";

const query = new URLSearchParams(location.search);
const state = STATES[query.get("state") ?? "empty"];
if (!state) throw new Error("There is no such state.");
const lang = (query.get("lang") ?? "en") as Language;
document.documentElement.lang = lang;
if (lang === "ar") document.documentElement.dir = "rtl";

const types = ["pdf", "png", "jpg"];
const server = createFakeServer({
  limits: { max_files: 5, types },
  ...(state.lifetime && { lifetime: state.lifetime }),
});
const refuse = () => {
  throw new DOMException("The user has switched it off.", "SecurityError");
};
const storage = state.keepsNothing
  ? { getItem: () => null, setItem: refuse, removeItem: refuse }
  : undefined;
localStorage.clear();
sessionStorage.clear();
if (!state.isNew) {
  await server.fetch("/api/v1/sessions/", { method: "POST" });
  localStorage.setItem("session_uuid", server.session().uuid);
}
state.before?.(server);

const root = document.getElementById("root") as HTMLElement;
const page = (
  <Gallery
    lang={lang}
    shows={state.shows ?? "files"}
    options={{ fetch: server.fetch, autoStart: "manual", storage }}
    uploads={{ transport: server.transport }}
  />
);
if (root.firstElementChild) hydrateRoot(root, page);
else createRoot(root).render(page);
await state.visit?.(server);
document.documentElement.dataset["ready"] = "true";
