import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { readOptions } from "./options";

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no #root.");
createRoot(root).render(
  <StrictMode>
    <App options={readOptions(location.search)} />
  </StrictMode>,
);
