"""Polyglot files: a browser downloads them and runs nothing."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from tests.browser.api import PLAIN_PAGE, PageVisitor
from tests.browser.chromium import VIOLATION, Watch
from tests.browser.foreign import A_SIBLING, foreign_page
from tests.browser.polyglots import polyglots
from tests.browser.site import Site
from tests.maria_project.server import wait_for

pytestmark = pytest.mark.slow
WHOLE_BROWSER = True

SETTINGS = {"UPLOAD_TYPES": "pdf,png,jpg,gif,webp,docx"}
# Their script is for a PDF viewer; Chromium's does not run it.
VIEWER_ONLY = {"script-on-open.pdf", "link-on-open.pdf"}
PWNED = "/pwned"
_EMBED = """
(urls) => {
  for (const url of urls) {
    for (const [name, attribute] of [
      ["iframe", "src"], ["embed", "src"], ["object", "data"], ["script", "src"], ["img", "src"],
    ]) {
      const element = document.createElement(name);
      element[attribute] = url;
      document.body.append(element);
    }
  }
}
"""


class Traffic:
    """The requests of a context's pages, and those still pending."""

    def __init__(self, context: BrowserContext) -> None:
        self.requested: list[str] = []
        self._waiting: set[Request] = set()
        context.on("request", self._on_request)
        for event in ("response", "requestfailed"):
            context.on(event, self._on_answer)

    def settle(self, page: Page) -> None:
        """Wait until all requests are finished and the page has handled them."""
        page.wait_for_function("document.readyState === 'complete'")
        wait_for(lambda: self._is_quiet(page), 30, "the answers")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def _is_quiet(self, page: Page) -> bool:
        page.wait_for_timeout(1)  # Playwright reports requests only while it is called
        return not self._waiting

    def _on_request(self, request: Request) -> None:
        self.requested.append(urlsplit(request.url).path)
        self._waiting.add(request)

    def _on_answer(self, event: object) -> None:
        self._waiting.discard(getattr(event, "request", event))


def ran(page: Page) -> bool:
    """Whether a script of a file has run in any frame."""
    return any(frame.evaluate("window.pwned !== undefined") for frame in page.frames)


def planted(page: Page, site: Site) -> dict[str, str]:
    """Upload all polyglots as a visitor; return their URLs by name."""
    visitor = PageVisitor(page, site)
    visitor.start()
    return {
        name: f"{site.url}/api/v1/uploads/{visitor.upload(content, name)}/download/"
        for name, content in polyglots().items()
    }


def test_the_files_run_without_protection(context: BrowserContext, watch: Watch) -> None:
    for name, content in polyglots().items():
        if name in VIEWER_ONLY:
            continue
        page = context.new_page()
        if name.startswith("script."):
            page.add_script_tag(content=content.decode("latin-1"))
        else:
            page.set_content(content.decode("latin-1"))
        assert ran(page), name
        assert watch.take("dialog"), name


def test_t27_an_opened_file_is_downloaded_and_not_run(site: Site, page: Page) -> None:
    files, addresses = polyglots(), planted(page, site)
    traffic = Traffic(page.context)

    for name, address in addresses.items():
        with page.expect_download() as begun:
            page.evaluate("address => { location.href = address }", address)
        assert begun.value.suggested_filename == name
        assert begun.value.path().read_bytes() == files[name]
        traffic.settle(page)
        assert not ran(page), name

    assert page.url == site.url + PLAIN_PAGE
    assert len(page.context.pages) == 1
    assert PWNED not in traffic.requested


def test_t27_a_file_embedded_in_our_page_runs_nothing(site: Site, page: Page, watch: Watch) -> None:
    addresses = list(planted(page, site).values())
    traffic = Traffic(page.context)

    page.evaluate(_EMBED, addresses)
    traffic.settle(page)

    assert set(addresses) <= {site.url + path for path in traffic.requested}
    assert not ran(page)
    assert PWNED not in traffic.requested
    # Plugins are forbidden in our pages, each told twice: as an event and in the console.
    refused = watch.take(f"{VIOLATION} object-src") + watch.take("policy Loading plugin data")
    assert len(refused) == 2 * 2 * len(addresses)


def test_t27_a_file_embedded_in_a_sibling_page_runs_nothing(
    site: Site, context: BrowserContext, watch: Watch
) -> None:
    addresses = list(planted(context.new_page(), site).values())
    traffic, page = Traffic(context), context.new_page()

    with foreign_page(A_SIBLING) as origin:
        watch.hosts.add(urlsplit(origin).netloc)
        page.goto(origin)
        page.evaluate(_EMBED, addresses)
        traffic.settle(page)

        assert set(addresses) <= {site.url + path for path in traffic.requested}
        assert not ran(page)
        assert PWNED not in traffic.requested
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth === 0)")
