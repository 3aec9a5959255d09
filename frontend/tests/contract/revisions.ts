/** The script: an open page asks whether anything has changed. */
import type { Player } from "./player.js";

const CURRENT = "sessions/current/";
const REVISION = `GET ${CURRENT}revision/`;

export async function askForRevisions({ visitor, server }: Player): Promise<void> {
  const ora = await visitor("Ora");
  let known = "";
  const ask = async (title: string, headers: Record<string, string> = {}) => {
    const answer = await ora.ask(`asks ${title}`, REVISION, { headers });
    known = answer.headers["etag"] ?? known;
  };
  const again = (title: string) => ask(title, { "If-None-Match": known });

  await ask("first");
  await again("again");
  await ask("with another revision", { "If-None-Match": '"another"' });
  await ask("with several", { "If-None-Match": `"another", W/${known}` });
  await ask("with any", { "If-None-Match": "*" });
  await ora.ask("asks with HEAD", `HEAD ${CURRENT}revision/`, { uuid: undefined });

  await ora.ask("reads its session", `GET ${CURRENT}`);
  await again("after an activity");
  await ora.ask("gives a name", `PATCH ${CURRENT}`, { body: { name: "Ora" } });
  await again("after the name");
  const form = new FormData();
  form.append("file", new File(["%PDF-1.7\n"], "ora.pdf"));
  const { body } = await ora.ask("sends a file", "POST uploads/", { body: form });
  await again("after the file");
  await again("after the file, once more");
  await server.quarantine(ora.uuid);
  await again("after the file is blocked");
  await ora.ask("removes the file", `DELETE uploads/${body.id}/`);
  await again("after the file is removed");

  const pia = await visitor("Pia");
  await server.expire(pia.uuid);
  await pia.ask("asks after the end", REVISION);
}
