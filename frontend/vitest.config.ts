import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  test: {
    environment: "jsdom",
    setupFiles: ["tests/setup.ts"],
    projects: [
      // These close what they open, so they share a document: making one takes longer than they do.
      {
        extends: true,
        test: {
          name: "core",
          include: ["tests/{api,store,uploads,utils}/*.test.ts"],
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: "page", include: ["tests/*.test.ts", "tests/components/*.test.{ts,tsx}"] },
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
