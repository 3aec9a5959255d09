import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  test: {
    environment: "jsdom",
    setupFiles: ["tests/setup.ts"],
    // The tests close what they open, so the files of a project share one document per worker.
    isolate: false,
    projects: [
      // Fake timers. Apart from the page tests, where uploads may still be waiting to be retried.
      {
        extends: true,
        test: { name: "core", include: ["tests/{acts,api,store,uploads,utils}/*.test.ts"] },
      },
      {
        extends: true,
        test: {
          name: "page",
          include: ["tests/*.test.ts", "tests/{components,contract}/*.test.{ts,tsx}"],
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**"],
      exclude: ["src/api/schema.ts"],
      reporter: ["text"],
      thresholds: { branches: 95 },
    },
  },
});
