import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Builds the demo page, which Django serves at `/` with its files under /static/demo/. */
export default defineConfig({
  root: fileURLToPath(new URL("demo", import.meta.url)),
  base: "/static/demo/",
  plugins: [react()],
  resolve: {
    alias: { "@maria/sessions": fileURLToPath(new URL("src/index.ts", import.meta.url)) },
  },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // The page's policy is `default-src 'self'`: data: addresses would be refused.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
