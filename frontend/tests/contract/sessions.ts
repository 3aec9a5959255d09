/** The script: the life of sessions and their proofs. */
import { UNKNOWN } from "../helpers.js";
import type { Player } from "./player.js";

const CURRENT = "sessions/current/";
const RESET = `POST ${CURRENT}reset/`;

export async function createSessions({ ask, server }: Player): Promise<void> {
  const browser = server.browser();
  const create = (title: string, body?: object | string, headers = {}) =>
    ask(`create with ${title}`, browser, "POST sessions/", {
      ...(body !== undefined && { body }),
      headers,
    });
  await create("another credential", { credential: "letter" });
  await create("no credential at all", { credential: null });
  await create("a list", "[]");
  await create("half a document", "{");
  await create("another type", "credential=cookie", {
    "Content-Type": "application/x-www-form-urlencoded",
  });
  await create("a huge document", { credential: "x".repeat(70_000) });
  const { body } = await create("nothing");
  await create("its own proof", { credential: "bearer" });
  await create("two proofs", {}, { Authorization: `Bearer mss1_${"A".repeat(43)}` });
  await ask("create with another scheme", server.browser(), "POST sessions/", {
    headers: { Authorization: "Basic YTpi" },
  });
  const bearer = server.browser();
  const { token } = (
    await ask("create for a bearer", bearer, "POST sessions/", { body: { credential: "bearer" } })
  ).body;
  await ask("create again as a bearer", bearer, "POST sessions/", { token, body: {} });
  await ask("a bearer needs no header", bearer, `POST ${CURRENT}assertion/`, { token });
  await ask("a bearer changes", bearer, `PATCH ${CURRENT}`, { token, body: { name: "Ada" } });
  await ask("a bearer with an older token", bearer, `PATCH ${CURRENT}`, {
    token,
    headers: { Authorization: `bearer ${token}` },
    body: { name: "Eva" },
  });

  const validate = (title: string, uuid?: unknown, extras = {}) =>
    ask(`validate ${title}`, browser, "POST sessions/validate/", { body: { uuid }, ...extras });
  await validate("its own session", body.uuid);
  await validate("a stranger's session", UNKNOWN);
  await validate("nothing");
  await validate("an empty text", "");
  await validate("a list", [UNKNOWN]);
  await validate("a long text", "1".repeat(65));
  await validate("capital letters", "1B4E28BA-2FA1-41D2-883F-0016D3CCA427");
  await validate("another version", "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
  await validate("a space before it", ` ${UNKNOWN}`);
  await validate("with two proofs", UNKNOWN, { token: "mss1_other" });
}

export async function proveSessions({ ask, visitor, server }: Player): Promise<void> {
  const stranger = server.browser();
  const ann = await visitor("Ann");
  for (const [title, line] of [
    ["current", `GET ${CURRENT}`],
    ["identify", `PATCH ${CURRENT}`],
    ["end", `DELETE ${CURRENT}`],
    ["mail", `POST ${CURRENT}email/`],
    ["verify", `POST ${CURRENT}email/verify/`],
    ["reset", RESET],
    ["export", `GET ${CURRENT}export/`],
    ["activity", `GET ${CURRENT}activity/`],
    ["revision", `GET ${CURRENT}revision/`],
    ["assertion", `POST ${CURRENT}assertion/`],
    ["files", "GET uploads/"],
    ["upload", "POST uploads/"],
    ["direct upload", "POST uploads/direct/"],
    ["complete", `POST uploads/${UNKNOWN}/complete/`],
    ["file", `GET uploads/${UNKNOWN}/`],
    ["delete", `DELETE uploads/${UNKNOWN}/`],
    ["link", `POST uploads/${UNKNOWN}/link/`],
  ] as const) {
    await ask(`${title} without a proof`, stranger, line);
    await ann.ask(`${title} with another UUID`, line, { uuid: UNKNOWN });
    // The rest is the same everywhere.
    if (!["current", "identify", "upload", "revision"].includes(title)) continue;
    await ask(`${title} with an unknown proof`, stranger, line, {
      token: `mss1_${"A".repeat(43)}`,
    });
    await ask(`${title} with an invalid proof`, stranger, line, { token: "nonsense" });
    await ann.ask(`${title} with a malformed UUID`, line, { uuid: "nonsense" });
    await ann.ask(`${title} with an empty UUID`, line, { uuid: "" });
    await ann.ask(`${title} with two proofs`, line, { token: "mss1_other" });
    await ann.ask(`${title} without a UUID`, line, { uuid: undefined });
  }
  await ann.ask("reads with HEAD", `HEAD ${CURRENT}`, { uuid: undefined });
  await ann.ask("is still there", `GET ${CURRENT}`);
  await ann.ask("sees what was refused", `GET ${CURRENT}activity/`);
}

export async function replaceSessions({ ask, visitor, server }: Player): Promise<void> {
  for (const reason of ["requested", "expired", "mismatch", "not_me"]) {
    const one = await visitor(`${reason}, who resets`);
    const { cookie } = one.browser;
    const again = (title: string, key?: string) => {
      one.browser.cookie = cookie;
      return one.ask(title, RESET, { body: { reason }, ...(key !== undefined && { key }) });
    };
    await again("first", "key");
    await again("again", "key");
    await again("again with another key", "other");
    await again("again without a key");
    await again("again with a malformed key", "a b");
    const next = server.browser();
    await again("again, for the last time", "key");
    next.cookie = one.browser.cookie;
    await ask(`${reason}: the new session`, next, `GET ${CURRENT}`);
    await again("after the new one was used", "key");
  }
  const bob = await visitor("Bob");
  await bob.ask("resets without a reason", RESET, { body: { reason: "bored" } });
  await bob.ask("resets with an empty key", RESET, { key: "" });
  await bob.ask("resets with a long key", RESET, { key: "k".repeat(129) });
  const old = bob.browser.cookie;
  await bob.ask("adds a name", `PATCH ${CURRENT}`, { body: { name: "Bob" } });
  const newest = bob.browser.cookie;
  bob.browser.cookie = old;
  await bob.ask("resets with an older token", RESET, { key: "k" });
  bob.browser.cookie = newest;
  await bob.ask("resets without a body", RESET);
  await ask("Bob: his new session", bob.browser, `GET ${CURRENT}`);
}

export async function endSessions({ ask, visitor, server }: Player): Promise<void> {
  const cleo = await visitor("Cleo");
  const { cookie } = cleo.browser;
  for (const erase of ["maybe", ""]) {
    await cleo.ask(`ends with erase=${erase}`, `DELETE ${CURRENT}?erase=${erase}`);
  }
  await cleo.ask("ends with a body", `DELETE ${CURRENT}`, { body: {} });
  await cleo.ask("ends", `DELETE ${CURRENT}?erase=False`);
  cleo.browser.cookie = cookie;
  await cleo.ask("ends again", `DELETE ${CURRENT}`);
  await cleo.ask("erases what has ended", `DELETE ${CURRENT}?erase=true`);
  await cleo.ask("reads after the end", `GET ${CURRENT}`);
  await cleo.ask("resets after the end", RESET, { key: "k" });
  await cleo.ask("validates after the end", "POST sessions/validate/", {
    body: { uuid: cleo.uuid },
  });
  await cleo.ask("begins again after the end", "POST sessions/");

  const dora = await visitor("Dora");
  const proof = dora.browser.cookie;
  await dora.ask("erases", `DELETE ${CURRENT}?erase=1`);
  dora.browser.cookie = proof;
  await dora.ask("erases again", `DELETE ${CURRENT}?erase=true`);
  await dora.ask("reads after the erasure", `GET ${CURRENT}`);
  await dora.ask("validates after the erasure", "POST sessions/validate/", {
    body: { uuid: dora.uuid },
  });

  const emil = await visitor("Emil");
  await server.revoke(emil.uuid);
  await emil.ask("reads what was revoked", `GET ${CURRENT}`);
  await emil.ask("resets what was revoked", RESET, { key: "k" });
  await emil.ask("erases what was revoked", `DELETE ${CURRENT}?erase=true`);

  for (const [title, line, body] of [
    ["is read", `GET ${CURRENT}`, undefined],
    ["is ended", `DELETE ${CURRENT}`, undefined],
    ["is erased", `DELETE ${CURRENT}?erase=true`, undefined],
    ["is reset", RESET, { reason: "expired" }],
    ["is validated", "POST sessions/validate/", "uuid"],
    ["begins again", "POST sessions/", {}],
  ] as const) {
    const late = await visitor(`late, who ${title}`);
    await server.expire(late.uuid);
    const given = body === "uuid" ? { uuid: late.uuid } : body;
    await late.ask("does", line, given && { body: given });
  }

  const path = [
    ["an unknown address", "GET nothing/"],
    ["an unknown address that is written", "POST nothing/"],
    ["what an address allows", "OPTIONS sessions/"],
    ["more than it allows", "DELETE sessions/"],
    ["an address without its slash", "GET sessions/current"],
    ["no address", "GET "],
    ["a malformed id", "GET uploads/nonsense/"],
    ["an id in capitals", `GET uploads/1B4E28BA-2FA1-41D2-883F-0016D3CCA427/`],
    ["more than a file", `GET uploads/${UNKNOWN}/nothing/`],
    ["a body that is not read", "DELETE nothing/"],
  ] as const;
  for (const [title, line] of path) {
    const body = title.startsWith("a body") ? { body: {} } : {};
    await ask(title, server.browser(), line, body);
  }
  for (const address of [
    ...["sessions/", "sessions/validate/", "sessions/recover/", "uploads/", "uploads/direct/"],
    ...[
      ...["", "email/", "email/verify/", "reset/", "export/", "activity/", "revision/"],
      "assertion/",
    ].map((rest) => CURRENT + rest),
    ...["", "link/", "complete/"].map((rest) => `uploads/${UNKNOWN}/${rest}`),
  ]) {
    for (const method of ["PUT", address.startsWith("uploads/1") ? "PATCH" : "GET"]) {
      const isRead = /^GET (uploads|sessions\/current(\/export|\/activity|\/revision)?)\/$/;
      const line = `${method} ${address}`;
      if (isRead.test(line)) continue;
      await ask(`${line}, which is not allowed`, server.browser(), line);
    }
  }
}
