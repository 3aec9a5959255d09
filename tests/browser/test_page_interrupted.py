"""A page with files on their way asks before it is left, and the tab's next page names them."""

import json

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Watch
from tests.browser.site import Site
from tests.browser.visit import UPLOADS, Visit, hold_request
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

LOST = "The page was left before this file was uploaded. Choose it again."


def kept(page: Page) -> str:
    """Return all that the browser keeps for the page."""
    return json.dumps(page.evaluate("[{ ...localStorage }, { ...sessionStorage }]"))


@pytest.fixture
def ann(visit: Visit) -> Visit:
    """Return a tab with a session and a file on its way."""
    visit.open()
    visit.begin()
    visit.page.route(UPLOADS, hold_request)
    visit.choose(pdf("record"), "ann-record.pdf")
    expect(visit.file("ann-record.pdf").get_by_role("progressbar")).to_be_visible()
    return visit


def reload(visit: Visit) -> None:
    """Reload the page, from now on with uploads. `watch` answers its question, if any."""
    visit.reload()
    visit.page.unroute(UPLOADS)  # not before: it would let the first request go


def test_the_browser_asks_and_the_next_page_names_the_file(ann: Visit, watch: Watch) -> None:
    reload(ann)

    assert watch.take("dialog")
    expect(ann.file("ann-record.pdf")).to_contain_text(LOST)
    reload(ann)
    assert not watch.take("dialog")  # nothing is on its way
    expect(ann.file("ann-record.pdf")).to_contain_text(LOST)
    ann.upload(pdf("record"), "ann-record.pdf")
    expect(ann.file("ann-record.pdf")).to_have_count(1)
    assert "ann-record" not in kept(ann.page)


def test_a_download_beside_a_file_on_its_way_comes_without_a_question(
    visit: Visit, watch: Watch
) -> None:
    visit.open()
    visit.begin()
    visit.upload(pdf("stored"), "stored.pdf")
    visit.page.route(UPLOADS, hold_request)
    visit.choose(pdf("record"), "ann-record.pdf")
    expect(visit.file("ann-record.pdf").get_by_role("progressbar")).to_be_visible()

    with visit.page.expect_download() as download:
        visit.file("stored.pdf").get_by_role("button", name="Download").click()

    assert download.value.path().read_bytes() == pdf("stored")
    assert not watch.take("dialog")
    expect(visit.file("ann-record.pdf").get_by_role("progressbar")).to_be_visible()


def test_nothing_remains_after_not_you_in_another_tab(
    ann: Visit, site: Site, context: BrowserContext, watch: Watch
) -> None:
    reload(ann)
    assert watch.take("dialog")
    expect(ann.file("ann-record.pdf")).to_contain_text(LOST)
    before = ann.uuid
    other = Visit(context.new_page(), site)
    other.open()
    other.expect_known()

    other.button("Your data").click()
    other.button("Not you?").click()
    other.alert.get_by_role("button", name="Not you?").click()

    expect(ann.fact("Session UUID")).not_to_have_text(before)
    expect(ann.file("ann-record.pdf")).to_have_count(0)
    for tab in (ann, other):
        assert "ann-record" not in kept(tab.page)
        assert before not in kept(tab.page)
