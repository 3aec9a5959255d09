"""The example with Next.js, installed, built and visited as a developer does it: `./test next`.

pytest does not collect this file by itself, because it needs the npm registry.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.axe import violations
from tests.browser.chromium import Watch
from tests.browser.site import Site, Sites
from tests.helpers import pdf
from tests.maria_project.server import answers, environment, process, wait_for
from tests.need import missing
from tests.node import FRONTEND, need_node
from tests.ports import free_port

# Packages may come from the registry, and the machine may be busy.
pytestmark = pytest.mark.timeout(1800)

NOT_COPIED = shutil.ignore_patterns("node_modules", "dist", ".next", "*.tgz")
NEXT = "node_modules/next/dist/bin/next"


@pytest.fixture(scope="module")
def origin() -> str:
    """The origin of the example."""
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def site(sites: Sites, origin: str) -> Site:
    """The product behind it: Next.js sends its own `Host`, so the page's origin must be allowed."""
    return sites.with_settings({"ALLOWED_ORIGINS": origin}, worker=False)


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of frontend/ with every package of the lock file, in which the package is built."""
    need_node()
    copy = tmp_path_factory.mktemp("next") / "frontend"
    shutil.copytree(FRONTEND, copy, ignore=NOT_COPIED)
    installed = npm(copy, "ci", "--no-progress", "--prefer-offline")
    if installed.returncode:
        missing(f"npm cannot install Next.js:\n{installed.stdout}{installed.stderr}")
    built = npm(copy, "run", "--silent", "build")
    assert built.returncode == 0, built.stdout + built.stderr
    return copy


@pytest.fixture(scope="module")
def example(frontend: Path, origin: str, site: Site) -> Iterator[str]:
    """The address of the example, which is built without a warning."""
    # In continuous integration it warns that nothing is cached.
    variables = {"MARIA_SERVER": site.url, "NEXT_TELEMETRY_DISABLED": "1", "CI": ""}
    built = npm(frontend, "run", "build", "--workspace", "examples/next", **variables)
    printed = built.stdout + built.stderr
    assert built.returncode == 0, printed
    assert "⚠" not in printed
    assert "warning" not in printed.lower()
    folder = frontend / "examples/next"
    port = origin.rsplit(":", 1)[1]
    command = ["node", str(frontend / NEXT), "start", str(folder), "--port", port]
    log = frontend / "next.log"
    with process(command, environment(frontend, **variables), log):
        wait_for(lambda: answers(origin), what=f"Next.js, see {log}")
        yield origin


def test_a_visitor_uploads_a_file(example: str, page: Page, site: Site, watch: Watch) -> None:
    watch.hosts.add(example.removeprefix("http://"))
    said: list[str] = []
    page.on(
        "console",
        lambda line: said.append(line.text) if line.type in ("error", "warning") else None,
    )
    assert "maria-upload" in page.request.get(example).text()  # rendered on the server
    page.goto(example)
    file = FilePayload(name="lease.pdf", mimeType="application/pdf", buffer=pdf("lease"))

    page.get_by_label("Choose files").set_input_files(file)

    row = page.get_by_role("listitem").filter(has_text="lease.pdf")
    expect(row).to_contain_text("Stored")
    (uuid,) = site.sessions()
    assert site.events(uuid).count("upload.stored") == 1
    assert violations(page) == []
    page.reload()
    expect(row).to_contain_text("Stored")
    assert said == []


def npm(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run npm in a folder."""
    return subprocess.run(
        ["npm", *arguments], cwd=folder, env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
