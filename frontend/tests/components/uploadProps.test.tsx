/** What a page decides about uploads: which files, what it is told, and how rows look. */
import { createEvent, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { AttachButton, FileUpload, type FileUploadProps } from "../../src/index.js";
import { file, open, openReady, press, replaceElsewhere, requestCount, visited } from "./page.js";

const input = () => screen.getByLabelText<HTMLInputElement>(/Choose files/);
const row = async (name: string) => (await screen.findByText(name)).closest("li") as HTMLElement;
const is = (item: HTMLElement, status: string) =>
  waitFor(() => expect(item).toHaveAttribute("data-status", status));
const choose = (...files: File[]) => fireEvent.change(input(), { target: { files } });

async function openWith(props: FileUploadProps, types = ["pdf", "png"]) {
  const server = await visited({ limits: { max_files: 5, types } });
  const page = open(<FileUpload {...props} />, { server });
  await screen.findByText("No files yet.");
  return { ...page, server };
}

test("accept and maxFiles refuse files before they are sent, each with its reason", async () => {
  const { server } = await openWith({ accept: ".PNG, image/*", maxFiles: 1 });
  expect(input()).toHaveAttribute("accept", ".PNG, image/*");
  expect(input()).toHaveAccessibleName(/ PNG, 5 MB each, 1 in all\.$/);
  choose(file("a.pdf"), file("b.png"), file("c.png"), new File(["x"], "d", { type: "image/gif" }));
  const [a, b, c, d] = await Promise.all(["a.pdf", "b.png", "c.png", "d"].map(row));
  expect(a).toHaveTextContent(/Only PNG can be uploaded\.Remove$/);
  await is(b as HTMLElement, "stored");
  for (const item of [c, d]) await is(item as HTMLElement, "failed");
  expect(screen.getByText(/There is no space left/)).toBeVisible(); // Once, not in each row.
  expect(requestCount(server, "POST", "uploads/")).toBe(1);
  expect(screen.getByText("1 of 1 file")).toBeVisible();
});

test("onBeforeAdd refuses a file with a text, leaves one out, and may take its time", async () => {
  const onBeforeAdd = vi.fn(async ({ name }: File) =>
    name === "secret.pdf" ? "Not this one." : name !== "noise.pdf",
  );
  const { server, visitor } = await openWith({ onBeforeAdd });
  choose(file("secret.pdf"), file("noise.pdf"), file("good.pdf"));
  await is(await row("good.pdf"), "stored");
  const secret = await row("secret.pdf");
  expect(secret).toHaveTextContent("Not this one.");
  expect(within(secret).queryByRole("button", { name: "Try again" })).toBeNull();
  expect(screen.queryByText("noise.pdf")).toBeNull();
  expect(server.session().files).toHaveLength(1);
  await press(visitor, "Remove", secret);
  expect(screen.queryByText("secret.pdf")).toBeNull();
});

test("maxFiles counts files that wait for their turn, and those that are tried again", async () => {
  const { server, visitor } = await openWith({ maxFiles: 3 });
  server.stepwise = true;
  choose(file("a.pdf"), file("b.pdf"), file("c.pdf"));
  await is(await row("c.pdf"), "queued");
  choose(file("d.pdf"));
  const refused = await row("d.pdf");
  await is(refused, "failed");
  await press(visitor, "Try again", refused); // There is still no room.
  await is(refused, "failed");
  await press(visitor, "Cancel", await row("c.pdf"));
  await press(visitor, "Try again", refused);
  await is(refused, "queued");
  expect(server.transfers).toHaveLength(2);
});

test("a function that fails refuses its file only, and files of a session that is left are dropped", async () => {
  const answers: ((answer: boolean) => void)[] = [];
  const onBeforeAdd = ({ name }: File) => {
    if (name === "odd.pdf") throw new Error("no such ending");
    return name === "slow.pdf" ? new Promise<boolean>((answer) => answers.push(answer)) : true;
  };
  const onError = vi.fn<NonNullable<FileUploadProps["onError"]>>();
  const { server, visitor } = await openWith({ onBeforeAdd, onError });
  choose(file("odd.pdf"), file("good.pdf"));
  await is(await row("good.pdf"), "stored");
  expect(await row("odd.pdf")).toHaveTextContent("Something went wrong (check_failed).");
  expect(onError.mock.calls[0]?.[0].problem.detail).toBe("Error: no such ending");
  await press(visitor, "Remove", await row("odd.pdf"));

  choose(file("slow.pdf"));
  await waitFor(() => expect(answers).toHaveLength(1));
  await replaceElsewhere(server);
  answers[0]?.(true);
  await screen.findByText("No files yet.");
  expect(requestCount(server, "POST", "uploads/")).toBe(1);
});

test("onStored and onError are called once for each file that was sent from here", async () => {
  const onStored = vi.fn<NonNullable<FileUploadProps["onStored"]>>();
  const onError = vi.fn<NonNullable<FileUploadProps["onError"]>>();
  const server = await visited();
  server.addFile("before.pdf");
  open(<FileUpload onStored={onStored} onError={onError} />, { server });
  await row("before.pdf");
  choose(file("sent.pdf"), file("empty.pdf", 0));
  await is(await row("sent.pdf"), "stored");
  await is(await row("empty.pdf"), "failed");
  expect(onStored.mock.calls.map(([upload]) => upload.name)).toEqual(["sent.pdf"]);
  expect(onError.mock.calls.map(([{ code }, { name }]) => [code, name])).toEqual([
    ["file_empty", "empty.pdf"],
  ]);
});

test("renderItem replaces the content of a row, and has the usual one", async () => {
  const { visitor } = await openWith({
    renderItem: (item, usual) => (
      <>
        {item.name === "a.pdf" && <em>First</em>}
        {usual}
      </>
    ),
  });
  choose(file("a.pdf"));
  const a = await row("a.pdf");
  await is(a, "stored");
  expect(a).toHaveTextContent(/^First/);
  await press(visitor, "Remove", a);
  expect(await screen.findByText("No files yet.")).toBeVisible();
});

test("disabled takes no file, by none of the ways", async () => {
  const { server } = await openWith({ disabled: true });
  expect(input()).toBeDisabled();
  const dataTransfer = { types: ["Files"], files: [file("a.pdf")] };
  fireEvent.drop(document.body, { dataTransfer });
  fireEvent.paste(document.body, { clipboardData: dataTransfer });
  expect(requestCount(server, "POST", "uploads/")).toBe(0);
  expect(screen.getByText("No files yet.")).toBeVisible();
});

test("pasted files are added, and a pasted text is left to its field", async () => {
  await openWith({});
  const field = document.body.appendChild(document.createElement("textarea"));
  const office = { types: ["text/plain", "Files"], files: [file("picture of the text.png")] };
  const pasted = createEvent.paste(field, { clipboardData: office });
  fireEvent(field, pasted);
  expect(pasted.defaultPrevented).toBe(false);
  fireEvent.paste(field, { clipboardData: { types: ["Files"], files: [file("screen.png")] } });
  field.remove();
  await is(await row("screen.png"), "stored");
  expect(screen.queryByText("picture of the text.png")).toBeNull();
});

test("AttachButton adds files, and two components take a dropped file once", async () => {
  const both = (
    <>
      <FileUpload />
      <AttachButton accept=".pdf" />
    </>
  );
  const { server } = await openReady(both);
  const attach = screen.getByLabelText("Attach files");
  expect(attach).toHaveAttribute("accept", ".pdf");
  fireEvent.change(attach, { target: { files: [file("attached.pdf")] } });
  await is(await row("attached.pdf"), "stored");
  fireEvent.drop(document.body, {
    dataTransfer: { types: ["Files"], files: [file("dropped.pdf")] },
  });
  await is(await row("dropped.pdf"), "stored");
  expect(server.session().files).toHaveLength(2);
});

test("the camera is offered where images are allowed", async () => {
  await openWith({}, ["pdf", "jpg"]);
  await waitFor(() => expect(input()).toHaveAttribute("accept", ".pdf,.jpg"));
  const camera = screen.getByLabelText("Take a photo");
  expect(camera).toHaveAttribute("capture", "environment");
  expect(camera).toHaveAttribute("accept", "image/*");
});

test("no camera is offered where its photos would be refused", async () => {
  await openWith({ accept: "image/*" }, ["pdf", "png"]);
  expect(input()).toHaveAccessibleName(/ PNG, 5 MB each/);
  expect(screen.queryByText("Take a photo")).toBeNull();
});

test("all files can be cancelled, or tried again, at once", async () => {
  const { server, visitor } = await openWith({});
  server.stepwise = true;
  choose(file("a.pdf"), file("b.pdf"), file("c.pdf"));
  await is(await row("a.pdf"), "sending");
  await press(visitor, "Cancel all");
  expect(await screen.findByText("No files yet.")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Cancel all" })).toBeNull();
  server.stepwise = false;
  const headers = { "Retry-After": "3600" };
  for (const path of ["uploads/", "uploads/"]) {
    server.failNext({ method: "POST", path, code: "rate_limited", headers });
  }
  choose(file("d.pdf"), file("e.pdf"));
  for (const name of ["d.pdf", "e.pdf"]) await is(await row(name), "waiting");
  await press(visitor, "Try all again");
  for (const name of ["d.pdf", "e.pdf"]) await is(await row(name), "stored");
});
