/** The stores in a development build: with warnings of wrong settings. */
import "./warnings.js";

export * from "../core.js";
