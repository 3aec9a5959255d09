/** A full session says once what to do, and a wrong type is said first. */
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { FileUpload, type FileUploadProps } from "../../src/index.js";
import { file, open, visited } from "./page.js";

const rowOf = async (name: string) => (await screen.findByText(name)).closest("li") as HTMLElement;
const is = (item: HTMLElement, status: string) =>
  waitFor(() => expect(item).toHaveAttribute("data-status", status));
const choose = (...files: File[]) =>
  fireEvent.change(screen.getByLabelText(/Choose files/), { target: { files } });

async function openWith(files: string[], limits: object = {}, props: FileUploadProps = {}) {
  const server = await visited({ limits });
  for (const name of files) server.addFile(name, 100);
  const page = open(<FileUpload {...props} />, { server });
  await screen.findByText(files[0] ?? "No files yet.");
  return { ...page, server };
}

test("a full session says once what to do, and each row only that its file was not sent", async () => {
  await openWith(["a.pdf"], { max_files: 1 });
  choose(file("b.pdf"), file("c.pdf"), file("d.pdf"));
  for (const name of ["b.pdf", "c.pdf", "d.pdf"]) {
    const row = await rowOf(name);
    await is(row, "failed");
    expect(row.textContent).toContain("Not uploaded");
    expect(row.textContent).not.toContain("There is no space left");
  }
  const sentences = screen.getAllByText(/There is no space left. Remove a file first./);
  expect(sentences).toHaveLength(1);
  expect(sentences[0]).not.toHaveTextContent("have a problem");
});

test.each([
  ["the server's room", { max_files: 1 }, {}],
  ["the page's room", {}, { maxFiles: 1 }],
])("a wrong type is said before that %s is used up", async (_, limits, props) => {
  await openWith(["a.pdf"], limits, props);
  choose(file("notes.txt"), file("empty.pdf", 0));
  expect((await rowOf("notes.txt")).textContent).toContain("Only PDF can be uploaded.");
  expect((await rowOf("empty.pdf")).textContent).toContain("This file is empty.");
  expect(screen.queryByText(/There is no space left/)).toBeNull();
});
