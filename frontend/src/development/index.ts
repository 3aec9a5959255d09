/** The package in a development build: with warnings of wrong settings. */
import "./warnings.js";

export * from "../index.js";
