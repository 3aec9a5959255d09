// @vitest-environment node
/**
 * The fake server of `@maria/sessions/testing` answers like the real one.
 *
 * One script of requests runs against the fake server here, and against a real one too if the
 * variables of `tests/maria_project/test_fake_server.py` name its address.
 */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { createFakeServer, type RefusalCode } from "../../src/testing/index.js";
import { fakeServer, realServer } from "./clients.js";
import type { Step } from "./player.js";
import { SCRIPTS } from "./script.js";

const { CONTRACT_SERVER: address, CONTRACT_CONTROL: control } = process.env;

const PAGE = readFileSync(new URL("../../../docs/api.md", import.meta.url), "utf8");

/** The lines of the table under a heading, as their cells. */
const table = (heading: string) =>
  PAGE.split(`\n## ${heading}\n`)[1]!
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
const codesIn = (text: string) => [...text.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!);

const play = (name: keyof typeof SCRIPTS, direct_upload = name === "direct") =>
  SCRIPTS[name](fakeServer(createFakeServer({ limits: { direct_upload } })));

test.runIf(address)("each answer is that of the real server", { timeout: 240_000 }, async () => {
  for (const name of ["usual", "direct"] as const) {
    const fake = await play(name, true);
    const real = await SCRIPTS[name](realServer(address!, control!));
    const titles = [...real.keys()];
    expect(titles.length).toBeGreaterThan(20);
    expect([...fake.keys()]).toEqual(titles);
    const differing = titles.filter((one) => !isDeepStrictEqual(fake.get(one), real.get(one)));
    const shown = (steps: Map<string, Step>) => differing.map((one) => [one, steps.get(one)]);
    expect(shown(fake)).toEqual(shown(real));
  }
});

describe("the script", () => {
  /** Not for a visitor, or listed under “What the fake server does not do” in the README. */
  const LEFT_OUT = /^(service|staff)|download/;
  /** Refusals that need a failure of the server, or a client that is not a browser. */
  const UNPROVOKED = [
    ...["mail_unavailable", "storage_unavailable", "upload_in_progress", "length_required"],
    ...["content_mismatch", "origin_not_allowed", "type_not_allowed on complete"],
  ];

  test("tries each outcome of each endpoint in docs/api.md", async () => {
    const steps = [...(await play("usual")).values(), ...(await play("direct")).values()];
    const seen = new Set(steps.flatMap(outcomes));
    const promised = table("Endpoints")
      .filter(([line, proof]) => !LEFT_OUT.test(proof!) && !LEFT_OUT.test(line!))
      .flatMap(([line, , good, refused]) => [
        ...[...good!.matchAll(/(?:^|; )(2\d\d|304)\b/g)].map(([, status]) => `${line} ${status}`),
        ...codesIn(refused!).map((code) => `${line} ${code}`),
      ])
      .map((outcome) => outcome.replaceAll("`", ""))
      .filter((outcome) => !UNPROVOKED.some((code) => outcome.endsWith(` ${code}`)))
      .filter((outcome) => !/complete\/ type_not_allowed$/.test(outcome));
    expect(promised.length).toBeGreaterThan(50);
    expect(promised.filter((outcome) => !seen.has(outcome))).toEqual([]);
  });

  /** Like `POST sessions/ 201`, or with the code of a refusal. */
  function outcomes({ request, code, answer }: Step): string[] {
    return [`${request} ${code ?? answer.status}`];
  }
});

describe("a refusal by failNext", () => {
  const rows = table("Error codes").map(
    ([code, status, detail]) => [code!.replaceAll("`", ""), Number(status), detail!] as const,
  );
  /** Codes that a visitor's page cannot get. */
  const OTHERS = /^(service_|scope_|not_authenticated|permission_denied|session_not_active)/;

  test.each(rows.filter(([code]) => !OTHERS.test(code)))(
    "%s has the status and the sentence of docs/api.md",
    async (code, status, detail) => {
      const server = createFakeServer();
      server.failNext({ code: code as RefusalCode });
      const response = await server.fetch("/api/v1/sessions/", { method: "POST" });
      const body = (await response.json()) as { code: string; detail: string };
      expect([body.code, response.status]).toEqual([code, status]);
      expect(body.detail.replaceAll("\u00a0", " ")).toBe(detail.replaceAll("\u00a0", " "));
      const waits = status === 429 || status === 503 || /in_progress|incomplete$/.test(code);
      expect(response.headers.has("Retry-After")).toBe(waits && code !== "body_incomplete");
    },
  );
});
