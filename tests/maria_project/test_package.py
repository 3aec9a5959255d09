"""`npm pack` makes a package that apps on React 18 and 19 install, type-check, build and run."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import launched
from tests.helpers import SOAK
from tests.maria_project.server import run_quietly
from tests.node import FRONTEND, copy_of_frontend, need_node, shell
from tests.static_server import serving

pytestmark = pytest.mark.slow

PACKAGE = json.loads((FRONTEND / "package.json").read_text())
TOOLS: dict[str, str] = PACKAGE["devDependencies"]
REACTS = {
    "18": {"react": "18.3.1", "react-dom": "18.3.1", "@types/react": "18.3.8", "@types/react-dom": "18.3.7"},
    "19": {name: TOOLS[name] for name in ("react", "react-dom", "@types/react", "@types/react-dom")},
}  # fmt: skip
# The kinds of module resolution for the type check; `npm run package` checks every kind.
RESOLUTIONS = (
    {react: ["bundler", "nodenext"] for react in REACTS}
    if SOAK
    else {"18": ["nodenext"], "19": ["bundler"]}
)
PAGE = '<!doctype html><title>App</title><link rel="icon" href="/icon.svg"><div id="root"></div><script type="module" src="/main.tsx"></script>'
APP = """
import "@maria/sessions/styles.css";
import { isSessionUUID } from "@maria/sessions/core";
import { FileUpload, SessionProvider, SessionResetAlert, useSession } from "@maria/sessions";
import type { Messages } from "@maria/sessions";
import { arabic } from "@maria/sessions/ar";
import { german } from "@maria/sessions/de";
import { english } from "@maria/sessions/en";
import { createFakeServer } from "@maria/sessions/testing";
import { YourData } from "@maria/sessions/your-data";

const server = createFakeServer();
const languages: Record<string, Messages> = { ar: arabic, de: german };
// An app with exactOptionalPropertyTypes passes on what it may not have.
const timeout: number | undefined = undefined;

function Status() {
  const session = useSession();
  const status: string = isSessionUUID(session.uuid) ? session.status : "no UUID";
  // @ts-expect-error A session has no such status: its type reached this app.
  if (session.status === "nonsense") return null;
  return <output>{status}</output>;
}

export function App() {
  return (
    <SessionProvider
      options={{ fetch: server.fetch, autoStart: "load", timeout }}
      uploads={{ transport: server.transport }}
      language={languages[navigator.language] ?? english}
      messages={{ choose: "Add a file" }}
    >
      <SessionResetAlert />
      <Status />
      <FileUpload />
      <YourData consents={[{ purpose: "contact", version: "1", label: "You may write to me." }]} />
    </SessionProvider>
  );
}
"""
# A page without React that imports everything that needs none.
ELEMENT = """
import { createSessionStore, createUploadStore } from "@maria/sessions/core";
import type { Answer, Http, News, Transport } from "@maria/sessions/core";
import { arabic } from "@maria/sessions/ar";
import { german } from "@maria/sessions/de";
import { createFakeServer } from "@maria/sessions/testing";
import { MariaUploads, type MariaUploadsEventMap } from "@maria/sessions/element";

const server = createFakeServer();
const transport: Transport = async (request): Promise<Answer> => server.transport(request);
const session = createSessionStore({ fetch: server.fetch });
const http: Http = session.http;
session.onNews((news: News) => console.info(http.baseUrl, news?.length));
createUploadStore(session, { transport });

const element: MariaUploads = document.createElement("maria-uploads");
element.options = { fetch: server.fetch, autoStart: "load" };
element.uploads = { transport, concurrency: undefined };
element.language = navigator.language === "ar" ? arabic : german;
element.messages = { choose: "Belege" };
element.addEventListener("maria-stored", ({ detail }) => console.info(detail.sha256));
element.addEventListener("maria-error", function ({ detail: { error, item } }) {
  console.info(this.language.error(error), item.name);
});
const changed = ({ detail }: MariaUploadsEventMap["maria-session-changed"]) =>
  console.info(detail.previous, detail.next, detail.reason === "reset");
element.addEventListener("maria-session-changed", changed, { once: true });
element.removeEventListener("maria-session-changed", changed);
element.addEventListener("click", (event) => console.info(event.clientX));
element.addEventListener("of-another-script", (event) => console.info(event.type));
// @ts-expect-error An event of the element has its own detail.
element.addEventListener("maria-stored", ({ detail }) => console.info(detail.item));
// @ts-expect-error The element reports changes of the session by its event.
element.options = { onSessionChanged: () => undefined };
"""
# They do not compile if a public name is missing.
PUBLIC_NAMES = ("names.ts", "coreNames.ts")
MAIN = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.js";

createRoot(document.getElementById("root")!).render(<StrictMode><App /></StrictMode>);
"""
TYPES = {
    "target": "ES2022", "lib": ["ES2022", "DOM", "DOM.Iterable"], "jsx": "react-jsx",
    "strict": True, "exactOptionalPropertyTypes": True, "noEmit": True, "types": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a copy, because other tests may run `npm pack` at the same time."""
    need_node()
    run_quietly(shell("front_packages"))
    copy = copy_of_frontend(tmp_path_factory.mktemp("package"))
    npm("pack", "--silent", folder=copy)
    (made,) = copy.glob("*.tgz")
    return made


def test_only_what_users_need_is_packed(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}

    entries = {"index", "core", "element", "en", "de", "ar", "components/YourData", "testing/index"}
    assert {f"dist/{entry}{kind}" for entry in entries for kind in (".js", ".d.ts")} <= names
    others = names - {"package.json", "README.md", "REFERENCE.md", "dist/styles.css"}
    allowed = r"dist/[\w/.]+\.(js|d\.ts)(\.map)?|src/[\w/.]+\.(tsx?|css)"
    assert [name for name in others if not re.fullmatch(allowed, name)] == []


def test_every_source_map_is_packed_with_its_sources(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        files = {name.removeprefix("package/") for name in archive.getnames()}
        maps = {
            name: json.load(archive.extractfile(f"package/{name}") or BytesIO())
            for name in files
            if name.endswith(".map")
        }

    assert {f"{name}.map" for name in files if re.fullmatch(r"dist/[\w/.]+\.js", name)} <= set(maps)
    assert [
        (name, source)
        for name, content in maps.items()
        if not content.get("sourcesContent")
        for source in content["sources"]
        if os.path.normpath(Path(name).parent / source) not in files
    ] == []


def test_react_is_the_only_peer_dependency() -> None:
    assert "dependencies" not in PACKAGE
    assert set(PACKAGE["peerDependencies"]) == {"react", "react-dom"}


@pytest.mark.parametrize("react", REACTS)
def test_an_app_installs_it_checks_its_types_builds_and_runs(
    tarball: Path, tmp_path: Path, react: str
) -> None:
    app = scratch_app(tmp_path, tarball, react)

    npm("install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock", folder=app)
    for resolution in RESOLUTIONS[react]:
        tool("typescript/bin/tsc", "-p", f"tsconfig.{resolution}.json", folder=app)
    tool("vite/bin/vite.js", "build", "--logLevel", "warn", folder=app)

    with serving(app / "dist") as address:
        status, said = opened(address)
    assert (status, said) == ("ready", [])


def test_a_page_without_react_checks_its_types(tarball: Path, tmp_path: Path) -> None:
    depends = {"@maria/sessions": f"file:{tarball}"}
    package = {"private": True, "type": "module", "dependencies": depends}
    write_json(tmp_path / "package.json", package)
    options = {**TYPES, "module": "NodeNext", "moduleResolution": "NodeNext", "skipLibCheck": False}
    write_json(tmp_path / "tsconfig.json", {"compilerOptions": options, "include": ["*.ts"]})
    (tmp_path / "element.ts").write_text(ELEMENT)

    npm("install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", folder=tmp_path)

    assert not (tmp_path / "node_modules" / "@types").exists()
    tool("typescript/bin/tsc", "-p", "tsconfig.json", folder=tmp_path)


def scratch_app(folder: Path, tarball: Path, react: str) -> Path:
    """Write an app that depends on the packed package and one version of React."""
    depends = {"@maria/sessions": f"file:{tarball}", **REACTS[react]}
    write_json(
        folder / "package.json", {"private": True, "type": "module", "dependencies": depends}
    )
    for resolution, module in (("bundler", "ESNext"), ("nodenext", "NodeNext")):
        options = {**TYPES, "module": module, "moduleResolution": resolution}
        # The package's declarations were built with the types of React 19, which may differ
        # from those of 18. Checked once, because it is slow.
        options["skipLibCheck"] = (react, resolution) != ("18", "nodenext")
        write_json(
            folder / f"tsconfig.{resolution}.json",
            {"compilerOptions": options, "include": ["*.tsx", "*.ts"]},
        )
    (folder / "public").mkdir()
    (folder / "public" / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "index.html").write_text(PAGE)
    (folder / "App.tsx").write_text(APP)
    (folder / "main.tsx").write_text(MAIN)
    for names in PUBLIC_NAMES:
        shutil.copy(FRONTEND / "tests" / names, folder)
    # The package without an entry has the names of its core, too.
    core = (FRONTEND / "tests" / "coreNames.ts").read_text()
    (folder / "sameNames.ts").write_text(core.replace("sessions/core", "sessions"))
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def npm(*arguments: str, folder: Path) -> None:
    run(["npm", *arguments], folder)


def tool(program: str, *arguments: str, folder: Path) -> None:
    """Run a program of frontend/node_modules, so that no app needs an installation."""
    run(["node", str(FRONTEND / "node_modules" / program), *arguments], folder)


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder; fail the test with its output if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def opened(address: str) -> tuple[str | None, list[str]]:
    """Open a page in Chromium, wait until the session is ready; return its status and complaints."""
    said: list[str] = []
    with launched() as browser:
        page = browser.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "console",
            lambda line: said.append(line.text) if line.type in ("error", "warning") else None,
        )
        page.on("request", lambda sent: said.append(sent.url) if address not in sent.url else None)
        page.goto(address)
        status = page.locator("output")
        expect(status).to_have_text("ready", timeout=20_000)
        text = status.text_content()
    return text, said
