/** The script: files. */
import { UNKNOWN } from "../helpers.js";
import type { Player } from "./player.js";

const UPLOADS = "POST uploads/";
const CURRENT = "GET sessions/current/";
const PDF = "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n";

const file = (name: string, content = PDF) => new File([content], name);

/** A form with these fields, each with a file or a text. */
function form(...fields: [string, File | string][]): FormData {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  return data;
}

const withFile = (name: string, content?: string) => form(["file", file(name, content)]);

export async function uploadFiles({ visitor, server }: Player): Promise<void> {
  const kim = await visitor("Kim");
  const send = (title: string, body: FormData | object | string | undefined, key?: string) =>
    kim.ask(`sends ${title}`, UPLOADS, {
      ...(body !== undefined && { body }),
      ...(key !== undefined && { key }),
    });
  await send("nothing", undefined);
  await send("a document", {});
  await send("a text", form(["file", "a.pdf"]));
  await send("another field", form(["document", file("a.pdf")]));
  await send("two files", form(["file", file("a.pdf")], ["file", file("b.pdf")]));
  await send("an empty file", withFile("a.pdf", ""));
  await send("too large a file", withFile("a.pdf", PDF + "x".repeat(5 * 1024 ** 2)));
  await send("another type", withFile("a.exe"));
  await send("a name without a type", withFile("report"));
  await send("a type that is hidden", withFile("report.exe\u200b"));
  await send("a name that is empty", withFile(""));
  await send("a name of dots", withFile(".."));
  await send("only a type", withFile(".pdf"));
  await send("a hidden name", withFile("\u200b.pdf"));
  await send("a name that servers run", withFile("report.php;.pdf"));
  await send("a malformed key", withFile("a.pdf"), "a b");
  await kim.ask("reads what was refused", "GET sessions/current/activity/");
  await kim.ask("has no files", "GET uploads/");

  const first = (await send("a file", withFile('C:\\fdp\u202e "one".PDF'), "k")).body;
  await send("the same file again", withFile('C:\\fdp\u202e "one".PDF'), "k");
  await send("another file with its key", withFile("two.pdf"), "k");
  await send("a second file", withFile(`${"long ".repeat(60)}.pdf`), "l");
  await kim.ask("reads a file", `GET uploads/${first.id}/`);
  await kim.ask("asks for a link", `POST uploads/${first.id}/link/`);
  await kim.ask("completes what was not direct", `POST uploads/${first.id}/complete/`);
  await send("a third file", withFile("three; of 4.pdf"));
  await send("one too many", withFile("four.pdf"));
  await send("one too many of another type", withFile("four.exe"));
  await kim.ask("lists the files", "GET uploads/");
  await kim.ask("lists a page that does not exist", "GET uploads/?cursor=nonsense");
  await kim.ask("reads the quota", CURRENT);

  const lea = await visitor("Lea");
  await lea.ask("reads a stranger's file", `GET uploads/${first.id}/`);
  await lea.ask("deletes a stranger's file", `DELETE uploads/${first.id}/`);
  await lea.ask("links a stranger's file", `POST uploads/${first.id}/link/`);
  await kim.ask("deletes the file", `DELETE uploads/${first.id}/`);
  await kim.ask("deletes the file again", `DELETE uploads/${first.id}/`);
  await lea.ask("deletes a stranger's deleted file", `DELETE uploads/${first.id}/`);
  await kim.ask("reads the deleted file", `GET uploads/${first.id}/`);
  await kim.ask("links the deleted file", `POST uploads/${first.id}/link/`);
  await send("the deleted file again", withFile('C:\\fdp\u202e "one".PDF'), "k");
  await send("the deleted file with a new key", withFile("one.pdf"), "m");
  for (const [title, line] of [
    ["reads", `GET uploads/${UNKNOWN}/`],
    ["deletes", `DELETE uploads/${UNKNOWN}/`],
    ["links", `POST uploads/${UNKNOWN}/link/`],
    ["completes", `POST uploads/${UNKNOWN}/complete/`],
  ] as const) {
    await kim.ask(`${title} an unknown file`, line);
  }
  await kim.ask("reads the events", "GET sessions/current/activity/");
  await kim.ask("exports the files", "GET sessions/current/export/");
  await kim.ask("leaves the files", "POST sessions/current/reset/", { key: "k" });

  await lea.ask("sends a file", UPLOADS, { body: withFile("lea.pdf") });
  await server.quarantine(lea.uuid);
  const { results } = (await lea.ask("lists a file in quarantine", "GET uploads/"))
    .body as unknown as {
    results: [{ id: string }];
  };
  await lea.ask("links a file in quarantine", `POST uploads/${results[0].id}/link/`);
  await server.revoke(lea.uuid);
  await lea.ask("has lost a file", CURRENT);
  await lea.ask("sends a file too late", UPLOADS, { body: withFile("late.pdf") });
}

export async function announceFiles({ visitor }: Player): Promise<void> {
  const max = await visitor("Max");
  for (const [title, body] of [
    ["nothing", {}],
    ["a name that is missing", { name: null, size: 1 }],
    ["an empty name", { name: " ", size: 1 }],
    ["a long name", { name: "x".repeat(1001), size: 1 }],
    ["a negative size", { name: "a.pdf", size: -1 }],
    ["a size that is not a number", { name: "a.pdf", size: "large" }],
    ["half a byte", { name: "a.pdf", size: 1.5 }],
    ["a file", { name: "a.pdf", size: 1000 }],
  ] as const) {
    await max.ask(`announces ${title}`, "POST uploads/direct/", { body, key: "k" });
  }
  await max.ask("announces with a malformed key", "POST uploads/direct/", {
    body: { name: "a.pdf", size: 1000 },
    key: "a b",
  });
}

/** On a server whose storage takes files from browsers. */
export async function sendDirectly({ visitor, server }: Player): Promise<void> {
  const nia = await visitor("Nia");
  const announce = (title: string, body: object, key = title) =>
    nia.ask(`announces ${title}`, "POST uploads/direct/", {
      body,
      key: key.replaceAll(" ", "-"),
    });
  const size = PDF.length;
  await announce("an empty file", { name: "a.pdf", size: 0 });
  await announce("too large a file", { name: "a.pdf", size: 6 * 1024 ** 2 });
  await announce("another type", { name: "a.exe", size });
  await announce("a name that servers run", { name: "a.php;.pdf", size });
  const first = (await announce("a file", { name: "x/a.pdf", size }, "k")).body;
  await announce("the same file", { name: "a.pdf", size }, "k");
  await announce("another file with its key", { name: "b.pdf", size }, "k");
  await nia.ask("completes too early", `POST uploads/${first.id}/complete/`);
  await nia.ask("reads it too early", `GET uploads/${first.id}/`);
  await nia.ask("reads the quota", CURRENT);
  const { url, fields } = first.upload;
  const parts = [...Object.entries(fields), ["file", file("a.pdf")]] as [string, string | File][];
  const status = await server.postForm(url, form(...parts));
  if (status !== 204) throw new Error(`The storage answered ${status}.`);
  await nia.ask("completes", `POST uploads/${first.id}/complete/`);
  await nia.ask("completes again", `POST uploads/${first.id}/complete/`);
  await announce("the stored file", { name: "a.pdf", size }, "k");
  const second = (await announce("a second file", { name: "b.pdf", size })).body;
  await nia.ask("cancels", `DELETE uploads/${second.id}/`);
  await nia.ask("cancels again", `DELETE uploads/${second.id}/`);
  await nia.ask("completes what was cancelled", `POST uploads/${second.id}/complete/`);
  await announce("the cancelled file again", { name: "b.pdf", size }, "a second file");
  await announce("one more than the forms allow", { name: "d.pdf", size });
  await nia.ask("deletes the stored file", `DELETE uploads/${first.id}/`);
  await announce("the deleted file", { name: "a.pdf", size }, "k");
  await nia.ask("lists the files", "GET uploads/");
  await nia.ask("reads the events", "GET sessions/current/activity/");
  await nia.ask("reads the quota at the end", CURRENT);
}
