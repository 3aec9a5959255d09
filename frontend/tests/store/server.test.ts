// @vitest-environment node
/** On a server the stores are idle and send no request. */
import { expect, test } from "vitest";
import { createSessionStore, createUploadStore } from "../../src/index.js";

test("a store made on a server is idle, and has no uploads", () => {
  expect(typeof window).toBe("undefined");
  const store = createSessionStore();
  expect(store.getSnapshot()).toMatchObject({ status: "idle", uuid: null, persistent: false });
  expect(store.getServerSnapshot()).toMatchObject({ status: "idle", uuid: null, persistent: true });
  expect(createUploadStore(store).getServerSnapshot()).toEqual({
    items: [],
    isLoaded: false,
    error: null,
  });
});
