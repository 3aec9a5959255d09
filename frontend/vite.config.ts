import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const source = (file: string) => fileURLToPath(new URL(`src/${file}`, import.meta.url));
const API_SERVER = process.env["API_SERVER"] ?? "http://localhost:8000";

/** The package's entries, from their sources. */
export const aliases = [
  { find: "@maria/sessions/styles.css", replacement: source("styles/index.css") },
  { find: "@maria/sessions/your-data", replacement: source("components/YourData.tsx") },
  { find: "@maria/sessions/testing", replacement: source("testing/index.ts") },
  { find: "@maria/sessions/en", replacement: source("en.ts") },
  { find: "@maria/sessions/de", replacement: source("de.ts") },
  { find: "@maria/sessions/ar", replacement: source("ar.ts") },
  { find: "@maria/sessions", replacement: source("index.ts") },
];

/** Builds the demo page, which Django serves at `/` with its files under /static/demo/. */
export default defineConfig({
  root: fileURLToPath(new URL("demo", import.meta.url)),
  base: "/static/demo/",
  plugins: [react()],
  resolve: { alias: aliases },
  // `npx vite` shows a change at once; the API is that of a running ./run.
  // It must see the host that the browser sees, or it would take the page for a foreign one.
  server: { proxy: { "/api": { target: API_SERVER, changeOrigin: false } } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // The page's policy is `default-src 'self'`: data: addresses would be refused.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
