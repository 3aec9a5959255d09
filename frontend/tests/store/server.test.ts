// @vitest-environment node
/** Shows that on a server, where there is no visitor, the package is idle and harmless. */
import { expect, test } from "vitest";
import { createSessionStore, createUploadStore } from "../../src/index.js";

test("a store made on a server is idle, and has no uploads", () => {
  expect(typeof window).toBe("undefined");
  const store = createSessionStore();
  expect(store.getSnapshot()).toMatchObject({ status: "idle", uuid: null, persistent: false });
  expect(store.getServerSnapshot()).toMatchObject({ status: "idle", uuid: null, persistent: true });
  expect(createUploadStore(store).getServerSnapshot()).toEqual({ items: [], error: null });
});
