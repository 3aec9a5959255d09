"""The examples of frontend/examples/ on other origins than the product, as a developer starts them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.browser.axe import SMALLEST, set_view, violations
from tests.browser.chromium import Watch
from tests.browser.site import Site, Sites
from tests.examples import EXAMPLES, Example, built_package, served
from tests.helpers import pdf
from tests.maria_project.server import run_quietly
from tests.node import need_node, shell

pytestmark = pytest.mark.slow

CHOOSE = {"en": "Choose files", "ar": "اختر ملفات"}


@pytest.fixture(scope="module")
def served_examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Example]]:
    """The examples on their origins, before they are built."""
    need_node()
    folder = tmp_path_factory.mktemp("examples")
    with served("vite", folder / "vite") as vite, served("plain", folder / "plain") as plain:
        yield [vite, plain]


@pytest.fixture(scope="module")
def site(sites: Sites, served_examples: list[Example]) -> Site:
    """The product, whose API the examples may use."""
    origins = ",".join(example.origin for example in served_examples)
    return sites.with_settings({"ALLOWED_ORIGINS": origins}, worker=False)


@pytest.fixture(scope="module")
def examples(
    served_examples: list[Example], site: Site, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Example]:
    """The examples, built for the site."""
    run_quietly(shell("front_packages"))
    package = built_package(tmp_path_factory.mktemp("package"))
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
