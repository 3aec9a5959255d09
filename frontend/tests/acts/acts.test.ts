// @vitest-environment node
/**
 * Random acts: what visitors do in several tabs, while everything goes wrong that can.
 *
 * A failure prints the seed, the path and the shortest sequence that fails. ACTS='{"seed":1,"path":"7:0"}'
 * repeats it. With SOAK=1 there are more sequences, each time others.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WEIGHTED, perform, type Act } from "./acts.js";
import { provideGlobals } from "./globals.js";
import { World, type Setting } from "./world.js";

const { SOAK, ACTS } = process.env;
const repeated = JSON.parse(ACTS ?? "{}") as fc.Parameters<[Setting, Act[]]>;
const parameters = {
  numRuns: SOAK ? 10_000 : 500,
  ...(SOAK ? {} : { seed: 1 }),
  ...repeated,
};

const settings: fc.Arbitrary<Setting> = fc.record({
  tabs: fc.integer({ min: 1, max: 3 }),
  locks: fc.constantFrom("shared", "missing", "refused"),
  proof: fc.constantFrom("cookie", "keychain"),
  autoStart: fc.constantFrom("interaction", "load", "manual"),
  isDirect: fc.boolean(),
  random: fc.nat(),
});

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.record({
    name: fc.oneof(...WEIGHTED),
    tab: fc.nat(2),
    choice: fc.nat(999),
    isCalm: fc.boolean(),
  }),
  { minLength: 1, maxLength: 24, size: "max" },
);

type Result = fc.RunDetails<[Setting, Act[]]>;

async function play(setting: Setting, sequence: Act[]): Promise<void> {
  const world = new World(setting);
  try {
    await world.open();
    for (const act of sequence) {
      await perform(world, act);
      world.check();
    }
    await world.settle();
  } finally {
    world.close();
  }
}

/** What failed, the shortest sequence that fails, and how to repeat it. */
function report({ seed, counterexample, counterexamplePath, errorInstance }: Result): string {
  const [setting, sequence] = counterexample ?? [];
  const how = `ACTS='${JSON.stringify({ seed, path: counterexamplePath })}'`;
  const lines = (sequence ?? []).map((act) => JSON.stringify(act));
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return [why, "", JSON.stringify(setting), ...lines, "", `Repeat it with ${how}`].join("\n");
}

let restore: () => void;
beforeAll(() => {
  restore = provideGlobals();
});
afterAll(() => restore());

test(
  "whatever happens, each session keeps to itself",
  async () => {
    const result = await fc.check(fc.asyncProperty(settings, acts, play), parameters);
    console.info(`${result.numRuns} sequences with the seed ${result.seed}`);
    if (result.failed) expect.fail(report(result));
  },
  24 * 3600 * 1000,
);
