import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Builds `<maria-uploads>`: one script with preact in the place of React, and the stylesheet. */
export default defineConfig({
  root: here("element"),
  resolve: {
    alias: [
      { find: /^react\/jsx-runtime$/, replacement: "preact/jsx-runtime" },
      { find: /^react$/, replacement: here("element/react.ts") },
    ],
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: here("dist"),
    emptyOutDir: false,
    target: "es2022",
    sourcemap: true,
    rolldownOptions: { output: { minify: true } },
    lib: { entry: "element.tsx", formats: ["es"], fileName: () => "element.js" },
  },
});
