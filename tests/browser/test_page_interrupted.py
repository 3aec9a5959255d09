"""A page with files on their way asks before it is left, and only then."""

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Watch
from tests.browser.visit import UPLOADS, Visit, hold_request
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]


def test_the_browser_asks_while_a_file_is_on_its_way(visit: Visit, watch: Watch) -> None:
    visit.open()
    visit.begin()
    visit.page.route(UPLOADS, hold_request)
    visit.choose(pdf(), "report.pdf")
    expect(visit.file("report.pdf").get_by_role("progressbar")).to_be_visible()

    visit.reload()

    assert watch.take("dialog beforeunload")
    visit.expect_known()
    visit.page.unroute(UPLOADS)
    visit.upload(pdf("stored"), "stored.pdf")
    visit.reload()
    assert not watch.take("dialog")
    expect(visit.file("stored.pdf")).to_contain_text("Stored")
