import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig([
  globalIgnores([
    "dist",
    "demo/dist",
    "gallery/dist",
    "examples/*/dist",
    // Its packages are installed for its own test only, which checks its types.
    "examples/next",
    "coverage",
    "src/api/schema.ts",
    "element/element.d.ts",
  ]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, reactHooks.configs.flat.recommended],
    languageOptions: {
      parserOptions: {
        project: [
          "tsconfig.json",
          "tests/tsconfig.json",
          "demo/tsconfig.json",
          "gallery/tsconfig.json",
          "element/tsconfig.json",
          "examples/tsconfig.json",
        ],
      },
    },
    rules: {
      // `onClick={() => retry()}` and `return show([])` say all there is to say.
      "@typescript-eslint/no-confusing-void-expression": "off",
      // Stores are closures: their methods know no `this` and may be passed about.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/restrict-plus-operands": ["error", { allowNumberAndString: true }],
      // React takes a handler that returns a promise. Other code that awaits nothing writes `void`.
      "@typescript-eslint/no-misused-promises": [
        "error",
        { checksVoidReturn: { attributes: false } },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["src/**"],
    ignores: ["src/utils/time.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...["setTimeout", "setInterval"].map((name) => ({
          name,
          message: "Use later() of utils/time.ts: it bounds the time.",
        })),
      ],
    },
  },
  {
    files: ["tests/**"],
    rules: {
      // A fake is often async because what it stands for is.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
]);
