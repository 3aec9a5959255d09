import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Builds `<maria-uploads>`: one script with preact in the place of React, and the stylesheet.
 *
 * It is not built as a library: Vite keeps the comments in one, for the bundler that reads it next.
 */
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
    // Terser, and then the minifier of the bundler: together they make the smallest script.
    minify: "terser",
    terserOptions: { compress: { passes: 4 } },
    rolldownOptions: {
      input: here("element/element.tsx"),
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "element.js", minify: true },
    },
  },
});
