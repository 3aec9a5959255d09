import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { aliases } from "./vite.config.js";

const at = (file: string) => fileURLToPath(new URL(`gallery/${file}`, import.meta.url));

/** Builds the gallery of the components, for tests and pictures: `npm run gallery`. */
export default defineConfig(({ isSsrBuild }) => ({
  root: at(""),
  base: "./",
  plugins: [react()],
  resolve: { alias: aliases },
  build: {
    outDir: "dist",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: isSsrBuild ? at("server.tsx") : [at("index.html"), at("element.html")],
    },
  },
}));
