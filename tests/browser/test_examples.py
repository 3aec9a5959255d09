"""The examples of frontend/examples/ on other origins than the product, as a developer starts them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.browser.axe import SMALLEST, set_view, violations
from tests.browser.chromium import VIOLATION, Watch
from tests.browser.site import Site, Sites
from tests.examples import EXAMPLES, POLICY, Example, built_package, served
from tests.helpers import pdf
from tests.maria_project.server import run_quietly
from tests.node import need_node, shell

pytestmark = pytest.mark.slow

PACKAGE = "@maria/sessions"
CHOOSE = {"en": "Choose files", "ar": "اختر ملفات"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def served_examples(folder: Path) -> Iterator[list[Example]]:
    """The examples on their origins, before they are built."""
    need_node()
    with served("vite", folder / "vite") as vite, served("plain", folder / "plain") as plain:
        yield [vite, plain]


@pytest.fixture(scope="module")
def foreign(folder: Path) -> Iterator[Example]:
    """The example with Vite, in a development build on an origin of another site."""
    need_node()
    with served("vite", folder / "development") as example:
        example.origin = example.origin.replace("localhost", "127.0.0.1")
        yield example


@pytest.fixture(scope="module")
def site(sites: Sites, served_examples: list[Example], foreign: Example) -> Site:
    """The product, whose API the examples may use."""
    origins = ",".join(example.origin for example in [*served_examples, foreign])
    return sites.with_settings({"ALLOWED_ORIGINS": origins}, worker=False)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of frontend/ in which the package is built."""
    run_quietly(shell("front_packages"))
    return built_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def examples(served_examples: list[Example], site: Site, package: Path) -> dict[str, Example]:
    """The examples, built for the site."""
    for example in served_examples:
        example.build(package, site.url)
    return {example.name: example for example in served_examples}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_visitor_uploads_a_file(
    name: str, examples: dict[str, Example], page: Page, site: Site, watch: Watch
) -> None:
    said = opened(page, examples[name], watch)
    before = len(site.sessions())
    file = FilePayload(name="lease.pdf", mimeType="application/pdf", buffer=pdf("lease"))

    page.get_by_label(CHOOSE["en"]).set_input_files(file)

    row = page.get_by_role("listitem").filter(has_text="lease.pdf")
    expect(row).to_contain_text("Stored")
    (uuid,) = site.sessions()[before:]
    assert site.events(uuid).count("upload.stored") == 1
    assert violations(page) == []
    page.reload()
    expect(row).to_contain_text("Stored")
    row.get_by_role("button", name="Remove").click()
    expect(row).to_be_hidden()
    assert site.events(uuid)[-1] == "upload.deleted"
    assert said == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_speaks_arabic_from_right_to_left(
    name: str,
    examples: dict[str, Example],
    new_context: Callable[..., BrowserContext],
    watch: Watch,
) -> None:
    page = new_context(locale="ar").new_page()
    said = opened(page, examples[name], watch)

    expect(page.get_by_label(CHOOSE["ar"])).to_be_attached()
    assert page.evaluate("document.dir") == "rtl"
    set_view(page, SMALLEST, "dark")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert said == []


def test_a_development_build_names_the_setting_that_is_wrong(
    foreign: Example,
    package: Path,
    site: Site,
    new_context: Callable[..., BrowserContext],
    watch: Watch,
) -> None:
    """Another site, an origin that is not allowed, and a policy without the API: in Chromium."""
    foreign.build(package, site.url, mode="development")
    line = warning(new_context().new_page(), foreign, watch)
    assert re.search(r"refuses the cookie of .* option credentialStore", line)

    not_allowed = replace(foreign, origin=foreign.origin.replace("127.0.0.1", "localhost"))
    line = warning(new_context().new_page(), not_allowed, watch)
    assert re.search(rf"refuses pages of {not_allowed.origin} .* ALLOWED_ORIGINS", line)

    context = new_context()
    with served("vite", foreign.folder, POLICY.replace("http://localhost:*", "'self'")) as blocked:
        line = warning(context.new_page(), blocked, watch)
    context.close()  # The page asks again, and its browser reports that later.
    assert re.search(rf"blocks {site.url.rstrip('/')}. .* connect-src", line)
    assert [*watch.take(VIOLATION), *watch.take("policy")] != []


def warning(page: Page, example: Example, watch: Watch) -> str:
    """Begin a session in an example; return the only line of the package in its console."""
    said = opened(page, example, watch)
    with page.expect_console_message(lambda line: PACKAGE in line.text) as first:
        page.locator("body").click()
    assert [line for line in said if PACKAGE in line] == [first.value.text]
    return first.value.text


def opened(page: Page, example: Example, watch: Watch) -> list[str]:
    """Open an example; return the warnings and errors in its console, also later ones."""
    watch.hosts.add(example.origin.removeprefix("http://"))
    said: list[str] = []
    page.on(
        "console",
        lambda line: said.append(line.text) if line.type in ("error", "warning") else None,
    )
    page.goto(example.origin)
    return said
