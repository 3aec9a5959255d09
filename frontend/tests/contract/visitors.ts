/** The script: what a session knows of its visitor. */
import type { Player } from "./player.js";

const CURRENT = "sessions/current/";
const PATCH = `PATCH ${CURRENT}`;
const GRANTED = { granted: true, version: "2026-11" };

export async function identifyVisitors({ visitor, server }: Player): Promise<void> {
  const fay = await visitor("Fay");
  for (const [title, body] of [
    ["nothing", {}],
    ["a long name", { name: "x".repeat(201) }],
    ["a list as a name", { name: ["Fay"] }],
    ["no name", { name: null }],
    ["a truth as a name", { name: true }],
    ["a number as a name", { name: 7 }],
    ["an invalid address", { email: "fay" }],
    ["a list as an address", { email: ["fay@example.com"] }],
    ["no address", { email: null }],
    ["consent that is a list", { consent: [] }],
    ["an answer that is null", { consent: { contact: null } }],
    ["an answer that is a text", { consent: { contact: "yes" } }],
    ["an answer with null in it", { consent: { contact: { granted: null, version: null } } }],
    ["an answer with a number", { consent: { contact: { granted: 1, version: 7 } } }],
    ["a long address", { email: `${"x".repeat(250)}@example.com` }],
    ["two wrong fields", { name: null, email: "fay@" }],
    ["an unknown field", { status: "completed" }],
    ["a name with hidden characters", { name: " F\u202ea\u200by\u0000".replace("\u0000", "") }],
    ["the same name", { name: "Fay" }],
    ["no name any more", { name: "" }],
    ["only spaces", { name: "  " }],
    ["consent that is a text", { consent: "yes" }],
    ["consent that is missing", { consent: null }],
    ["consent to an unknown purpose", { consent: { resale: GRANTED } }],
    ["consent without its fields", { consent: { contact: {} } }],
    ["consent to a wrong version", { consent: { contact: { granted: true, version: "a b" } } }],
    ["consent that is no truth", { consent: { contact: { granted: "perhaps", version: "1" } } }],
    ["consent", { consent: { contact: GRANTED, improvement: { ...GRANTED, granted: false } } }],
    ["the same consent", { consent: { contact: GRANTED } }],
    ["consent withdrawn", { consent: { contact: { ...GRANTED, granted: false } } }],
  ] as const) {
    await fay.ask(`gives ${title}`, PATCH, { body });
  }
  await fay.ask("gives half a document", PATCH, { body: '{"name":' });
  await fay.ask("gives a form", PATCH, { body: new FormData() });

  const mail = (title: string) => fay.ask(`asks for a code ${title}`, `POST ${CURRENT}email/`);
  const verify = (title: string, code: unknown) =>
    fay.ask(`enters ${title}`, `POST ${CURRENT}email/verify/`, { body: { code } });
  await mail("without an address");
  await verify("a code without an address", "123456");
  await fay.ask("gives an address", PATCH, { body: { email: "Fay@EXAMPLE.com" } });
  await verify("a code before one was sent", "123456");
  await mail("for the address");
  await mail("too early");
  const right = await server.mailedCode();
  const wrong = right === "000000" ? "000001" : "000000";
  for (const [title, code] of [
    ["a word", "nonsense"],
    ["nothing", ""],
    ["a space", " "],
    ["null", null],
    ["no code", undefined],
    ["five digits", 12345],
    ["a list", [right]],
    ["seven digits", `${right}0`],
  ] as const) {
    await verify(title, code);
  }
  await verify("a wrong code", wrong);
  const before = fay.browser.cookie;
  await verify("the right code", ` ${right} `);
  const after = fay.browser.cookie;
  fay.browser.cookie = before;
  await verify("the right code with the older token", right);
  fay.browser.cookie = after;
  await verify("the right code again", right);
  await verify("a wrong code after it", wrong);
  await fay.ask("reads who she is", `GET ${CURRENT}`);
  await fay.ask("gives the same address", PATCH, { body: { email: "Fay@example.com" } });
  await fay.ask("gives another address", PATCH, { body: { email: "eve@example.com" } });
  await verify("the code of the other address", right);
  await mail("for the new address");
  const last = await server.mailedCode();
  for (let tries = 1; tries <= 6; tries++) {
    await verify(`a wrong code for the ${tries}. time`, last === "999999" ? "999998" : "999999");
  }
  await verify("the right code too late", last);
  await fay.ask("removes the address", PATCH, { body: { email: "", name: "" } });
  await fay.ask("asks for an assertion", `POST ${CURRENT}assertion/`);
  await fay.ask("exports", `GET ${CURRENT}export/`);
  server.exhaustExports();
  await fay.ask("exports too often", `GET ${CURRENT}export/`);
}

export async function listEvents({ visitor }: Player): Promise<void> {
  const gil = await visitor("Gil");
  for (let number = 0; number < 26; number++) {
    const answer = { granted: number % 2 > 0, version: "1" };
    const body = { name: `Gil ${number}`, consent: { contact: answer, improvement: answer } };
    await gil.ask(`makes four events for the ${number}. time`, PATCH, { body });
  }
  const read = (title: string, address = "") =>
    gil.ask(`reads ${title}`, `GET ${CURRENT}activity/${address.replace(/^[^?]*/, "")}`);
  const first = (await read("the newest events")).body;
  await gil.ask("gives one more name", PATCH, { body: { name: "Gil" } });
  const second = (await read("the oldest events", first.next)).body;
  await read("the events before them", second.previous);
  await read("a page that does not exist", "?cursor=nonsense");
  await read("an empty page", "?cursor=");
}

export async function recoverSessions({ ask, visitor, server }: Player): Promise<void> {
  const hal = await visitor("Hal");
  const old = hal.browser.cookie;
  const code = await server.recoveryCode(hal.uuid);
  const device = server.browser();
  const recover = (title: string, body: object, key?: string) =>
    ask(`recover with ${title}`, device, "POST sessions/recover/", {
      body,
      ...(key !== undefined && { key }),
    });
  await recover("nothing", {});
  await recover("an empty code", { code: "" });
  await recover("a long code", { code: "x".repeat(41) });
  await recover("an unknown code", { code: "0000-0000-0000" });
  await recover("another credential", { code, credential: "letter" });
  await recover("a malformed key", { code }, "");
  await recover(
    "the code as it was heard",
    { code: ` ${code.toLowerCase().replaceAll("-", " ")}` },
    "k",
  );
  const lost = device.cookie;
  await recover("the same code without the key", { code });
  await recover("the same code with another key", { code }, "other");
  await recover("the same code and key", { code }, "k");
  const kept = device.cookie;
  device.cookie = lost;
  await ask("the lost token after a recovery", device, `GET ${CURRENT}`);
  device.cookie = kept;
  hal.browser.cookie = old;
  await hal.ask("reads with the older token", `GET ${CURRENT}`);
  await ask("the new token after a recovery", device, `GET ${CURRENT}`);
  await recover("the same code and key after the use", { code }, "k");
  await ask("the events of a recovery", device, `GET ${CURRENT}activity/`);

  const other = await server.recoveryCode(hal.uuid);
  await recover("a code for a bearer", { code: other, credential: "bearer" });
  const ian = await visitor("Ian");
  const late = await server.recoveryCode(ian.uuid);
  await ian.ask("ends", `DELETE ${CURRENT}`);
  await recover("a code of a session that has ended", { code: late });
}
