import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const source = (file: string) => fileURLToPath(new URL(`src/${file}`, import.meta.url));

/** Builds the demo page, which Django serves at `/` with its files under /static/demo/. */
export default defineConfig({
  root: fileURLToPath(new URL("demo", import.meta.url)),
  base: "/static/demo/",
  plugins: [react()],
  resolve: {
    alias: [
      { find: "@maria/sessions/your-data", replacement: source("components/YourData.tsx") },
      { find: "@maria/sessions/en", replacement: source("en.ts") },
      { find: "@maria/sessions", replacement: source("index.ts") },
    ],
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
