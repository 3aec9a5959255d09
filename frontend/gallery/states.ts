import type { createFakeServer } from "@maria/sessions/testing";

type FakeServer = ReturnType<typeof createFakeServer>;

/** What has happened before the page is opened, and what the visitor does on it. */
interface State {
  shows?: "compact" | "disabled" | "composer" | "data" | "everything";
  /** The browser has no session yet. */
  isNew?: boolean;
  /** The browser refuses to keep anything. */
  keepsNothing?: boolean;
  /** Milliseconds until the session expires. */
  lifetime?: number;
  before?: (server: FakeServer) => void;
  visit?: (server: FakeServer) => unknown;
}

const KB = 1024;

/** Wait until the page has something. */
async function until<T>(find: () => T | null | undefined | false): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = find();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`The page has not reached its state: ${String(find)}`);
}

const one = (selector: string) => until(() => document.querySelector<HTMLElement>(selector));

async function choose(files: File[]): Promise<void> {
  await one("[accept]"); // The limits are known.
  await put(files);
}

/** Choose files, even if the limits are not known yet. */
async function put(files: File[]): Promise<void> {
  const input = (await one(".maria-upload input")) as HTMLInputElement;
  const transfer = new DataTransfer();
  files.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

const file = (name: string, size: number) => new File([new Uint8Array(size)], name);

/** A small picture of a landscape. */
async function picture(name: string): Promise<File> {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  for (const [index, colour] of ["#8ecae6", "#ffb703", "#52796f", "#354f52"].entries()) {
    context.fillStyle = colour;
    context.beginPath();
    if (index === 1) context.arc(220, 70, 34, 0, 7);
    else context.rect(0, index * 55, 320, 240);
    context.fill();
  }
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
  return new File([blob as Blob], name, { type: "image/png" });
}

const stored = (count: number) =>
  until(() => document.querySelectorAll("[data-status=stored]").length >= count);

function addFiles(server: FakeServer): void {
  server.addFile("Lease 2026, signed.pdf", 2300 * KB);
  server.addFile("Certidão de nascimento e comprovativo de morada.pdf", 410 * KB);
}

async function sending(server: FakeServer): Promise<void> {
  server.stepwise = true;
  await choose([
    file("Passport and visa.pdf", 1800 * KB),
    file("עברית ושמות ארוכים מאוד.pdf", 900 * KB),
    file("Insurance.pdf", 300 * KB),
  ]);
  await until(() => server.transfers.length === 2);
  server.transfers[0]?.progress(1150 * KB);
  server.transfers[1]?.progress(200 * KB);
  await one("[data-status=queued]");
}

export const STATES: Record<string, State> = {
  idle: { isNew: true },
  loading: { before: (server) => void server.hold({ path: "uploads/" }) },
  unknown: { before: (server) => server.failNext({ path: "uploads/" }) },
  empty: { visit: () => void 0 },
  files: {
    before: addFiles,
    visit: async () => {
      await stored(2);
      await choose([await picture("The house.png")]);
      await stored(3);
    },
  },
  uploading: { before: addFiles, visit: sending },
  problems: {
    before: (server) => {
      server.addFile("Lease 2026, signed.pdf", 2300 * KB);
    },
    visit: async (server) => {
      await stored(1);
      const headers = { "Retry-After": "3600" };
      server.failNext({ method: "POST", code: "rate_limited", headers });
      await choose([
        file("Bank statement.pdf", 30 * KB),
        file("notes.txt", 300),
        file("empty.pdf", 0),
        file("A film of the whole house.png", 6 * KB ** 2),
      ]);
      await one("[data-status=waiting]");
    },
  },
  interrupted: {
    before: (server) => {
      const files = [{ name: "Bank statement.pdf", size: 30 * KB }];
      const unsent = { uuid: server.session().uuid, files };
      sessionStorage.setItem("session_unsent", JSON.stringify(unsent));
    },
    visit: () => one("[data-status=failed]"),
  },
  duplicate: {
    before: addFiles,
    visit: async () => {
      await stored(2);
      await choose([file("Lease 2026, signed.pdf", 2300 * KB)]);
      await one("[data-status=failed]");
    },
  },
  full: {
    before: addFiles,
    visit: async () => {
      await stored(2);
      await choose([1, 2, 3, 4, 5].map((number) => file(`Page ${number}.pdf`, number * KB)));
      await stored(5);
      await until(() => document.querySelectorAll("[data-status=failed]").length === 2);
    },
  },
  missing: {
    before: (server) => {
      server.addFile("Insurance.pdf", 300 * KB);
      const lost = server.addFile("Lease 2026, signed.pdf", 2300 * KB);
      Object.assign(lost, { status: "missing" });
    },
    visit: () => one("[data-status=missing]"),
  },
  removing: {
    before: addFiles,
    visit: async (server) => {
      await stored(2);
      server.hold({ method: "DELETE" });
      document.querySelector<HTMLElement>("[data-status=stored] button:last-of-type")?.click();
      await one("[data-status=removing]");
    },
  },
  compact: { shows: "compact", before: addFiles, visit: () => stored(2) },
  disabled: { shows: "disabled", before: addFiles, visit: () => stored(2) },
  composer: { shows: "composer" },
  dragged: {
    before: addFiles,
    visit: async () => {
      await stored(2);
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(file("one.pdf", 1));
      const init = { dataTransfer, bubbles: true, cancelable: true };
      // Browsers repeat it while files are over the page.
      await until(() => {
        document.body.dispatchEvent(new DragEvent("dragover", init));
        return document.querySelector(".maria-overlay");
      });
    },
  },
  offline: {
    before: (server) => {
      server.offline = true;
    },
    visit: () => one("[data-status=offline]"),
  },
  failed: {
    before: (server) => server.failNext({ code: "origin_not_allowed" }),
    visit: () => one("[data-status=failed]"),
  },
  starting: {
    isNew: true,
    before: (server) => void server.hold({ method: "POST", path: "sessions/" }),
    visit: async () => {
      await put([file("Insurance.pdf", 300 * KB)]);
      await one("[data-status=starting]");
    },
  },
  expiring: {
    lifetime: 4 * 60 * 1000,
    before: addFiles,
    visit: () => one(".maria-status[data-status=expiring] button"),
  },
  not_persistent: {
    isNew: true,
    keepsNothing: true,
    visit: async () => {
      await put([file("Insurance.pdf", 300 * KB)]);
      await stored(1);
    },
  },
  ended: {
    before: (server) => {
      addFiles(server);
      server.close("expired");
    },
    visit: () => one("dialog"),
  },
  put_off: {
    before: (server) => {
      addFiles(server);
      server.close("revoked");
    },
    visit: async () => {
      ((await one("dialog")) as HTMLDialogElement).close();
      await one(".maria-notice");
    },
  },
  mismatch: {
    before: () => localStorage.setItem("session_uuid", "11111111-1111-4111-8111-111111111111"),
    visit: () => one("dialog"),
  },
  data: {
    shows: "data",
    before: (server) => {
      addFiles(server);
      server.session().email = "ada@example.org";
    },
    visit: async () => {
      await one(".maria-data fieldset");
      const buttons = document.querySelectorAll<HTMLElement>(".maria-data > .maria-button");
      buttons[1]?.click(); // What happened
      await one(".maria-activity li");
    },
  },
  no_data: { shows: "data", isNew: true },
  confirm: {
    shows: "everything",
    visit: async () => {
      await one("[accept]");
      document.querySelector<HTMLElement>("main > .maria-button:last-of-type")?.click();
      await one("dialog");
    },
  },
  where: {
    visit: async () => {
      (await one("summary")).click();
      await one(".maria-code");
    },
  },
};
