import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { aliases } from "./vite.config.js";

/** Builds the gallery of the components, for tests and pictures: `npm run gallery`. */
export default defineConfig({
  root: fileURLToPath(new URL("gallery", import.meta.url)),
  base: "./",
  plugins: [react()],
  resolve: { alias: aliases },
  build: {
    outDir: "dist",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
