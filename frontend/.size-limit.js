const ignore = ["react", "react-dom", "react/jsx-runtime"];
const minified = { ignore, gzip: true };

/** A ready language without the code that all of them share. Texts are in UTF-8, as published. */
const language = (file, name) => ({
  name: `the language ${file}`,
  path: `dist/${file}.js`,
  import: `{ ${name} }`,
  ignore: [...ignore, "./language.js"],
  modifyEsbuildConfig: (config) => ({ ...config, charset: "utf8" }),
  limit: "2 kB",
  gzip: true,
});

export default [
  {
    name: "without the components",
    path: "dist/index.js",
    import:
      "{ SessionProvider, useSession, useSessionUUID, createSessionStore, isSessionUUID, memoryCredentials, storageCredentials, SessionError }",
    limit: "6.7 kB",
    ...minified,
  },
  {
    name: "the components of the README",
    path: "dist/index.js",
    import: "{ SessionProvider, SessionStatus, FileUpload, SessionResetAlert }",
    limit: "14.7 kB",
    ...minified,
  },
  { name: "all components", path: "dist/index.js", import: "*", limit: "15.2 kB", ...minified },
  {
    name: "all components, the data panel and English",
    path: "dist/index.js",
    import: {
      "dist/index.js": "*",
      "dist/components/YourData.js": "{ YourData }",
      "dist/en.js": "{ english }",
    },
    limit: "20.2 kB",
    ...minified,
  },
  language("en", "english"),
  language("de", "german"),
  language("ar", "arabic"),
  {
    name: "the custom element",
    path: "dist/element.js",
    limit: "25.3 kB",
    gzip: true,
    disablePlugins: ["@size-limit/esbuild"], // It is served as it is.
  },
  { name: "the stylesheet", path: "dist/styles.css", limit: "4 kB", gzip: true },
];
