import { FileUpload } from "@maria/sessions";

export default function Page() {
  return (
    <>
      <header>
        <h1>Your documents</h1>
      </header>
      <main>
        <FileUpload />
      </main>
    </>
  );
}
