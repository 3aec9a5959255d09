/** A file with the name and size of one that is there is asked about once. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { FileUpload } from "../../src/index.js";
import { file, open, press, visited } from "./page.js";

const rows = () => screen.queryAllByRole("listitem");
const rowOf = async (name: string) => (await screen.findByText(name)).closest("li") as HTMLElement;
const is = (item: HTMLElement, status: string) =>
  waitFor(() => expect(item).toHaveAttribute("data-status", status));
const choose = (...files: File[]) =>
  fireEvent.change(screen.getByLabelText(/Choose files/), { target: { files } });

/** A page of a session with one file of 100 bytes. */
async function openPage() {
  const server = await visited({ limits: { max_files: 9 } });
  server.addFile("a.pdf", 100);
  const page = open(<FileUpload />, { server });
  await screen.findByText("a.pdf");
  return { ...page, server };
}

test("a file with the name and size of another is asked about once, and sent if it is wanted", async () => {
  const { server, visitor } = await openPage();
  const again = new File(["x".repeat(100)], "a.pdf");
  choose(again);
  await waitFor(() => expect(rows()).toHaveLength(2));
  const question = rows()[1]!;
  expect(question.textContent).toContain("You have a file with this name and size already.");
  choose(again);
  choose(file("b.pdf"), file("b.pdf"));
  await waitFor(() => expect(rows()).toHaveLength(4));
  await waitFor(() =>
    expect(rows().map((row) => row.dataset.status)).toEqual([
      ...["stored", "failed", "stored", "failed"],
    ]),
  );
  expect(screen.queryByRole("button", { name: "Try all again" })).toBeNull();

  await press(visitor, "Upload it, too", question);
  await is(question, "stored");
  await press(visitor, "Remove", rows()[3]);
  await waitFor(() => expect(rows()).toHaveLength(3));
  expect(server.session().files.map(({ upload }) => upload.name)).toEqual([
    ...["a.pdf", "b.pdf", "a.pdf"],
  ]);
  expect(within(question).queryByRole("button", { name: "Upload it, too" })).toBeNull();
});

test("a file with another size, or a new one for a failed one, is sent without a question", async () => {
  const { server } = await openPage();
  choose(new File(["x".repeat(101)], "a.pdf"));
  await waitFor(() => expect(server.session().files).toHaveLength(2));
  server.failNext({ method: "POST", path: "uploads/", code: "type_not_allowed" });
  choose(file("b.pdf"));
  await is(await rowOf("b.pdf"), "failed");
  choose(file("b.pdf"));
  await waitFor(() => expect(server.session().files).toHaveLength(3));
});
