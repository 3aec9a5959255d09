"""Files wait while the server is away, and are stored without a click when it answers again."""

import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.files_card import FilesCard, SlowNetwork, chosen
from tests.browser.site import Site
from tests.browser.visit import API, answered
from tests.helpers import SOAK, pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

SETTINGS = {"UPLOAD_MAX_BYTES": str(32 * 1024**2)}
AWAY = 30 if SOAK or os.environ.get("CI") else 2
# Longer than the longest wait between two questions after an outage of that length.
BACK = 3 * AWAY * 1000 + 20_000
LARGE = pdf(size=20_000_000)
SLOW = 8_000_000
# Of its 20,000,000 bytes at least two million are sent, and two million are not.
MIDDLE = re.compile(r"^([2-9]|1[0-7])\d{6}$")


@pytest.fixture
def card(site: Site, page: Page) -> FilesCard:
    """Return a tab at the page, with a session."""
    card = FilesCard(page, site)
    card.begin()
    return card


def expect_away(card: FilesCard) -> None:
    """Wait until the row of a file and the status line say that the server is away."""
    expect(card.file("large.pdf")).to_contain_text("Trying again soon…")
    expect(card.page.locator(".maria-status")).to_contain_text("Nothing is lost.")


def expect_stored_once(card: FilesCard, content: bytes) -> None:
    """Wait until the file is stored by requests with one key, and nothing speaks of a problem."""
    expect(card.file("large.pdf")).to_contain_text("Stored, ", timeout=BACK)
    expect(card.page.locator(".maria-status")).to_have_text("")
    expect(card.region.locator(".maria-error")).to_have_count(0)
    assert len(set(card.keys)) == 1 < len(card.keys)
    assert card.objects() == [content]
    assert card.site.events(card.uuid) == ["session.created", "upload.stored"]


@pytest.mark.timeout(300)
def test_a_large_upload_survives_a_restart_of_the_server(
    site: Site, page: Page, card: FilesCard, tmp_path: Path
) -> None:
    file = tmp_path / "large.pdf"
    file.write_bytes(LARGE)
    line = SlowNetwork(page)
    line.limit(SLOW)
    card.choose(file)
    bar = card.file("large.pdf").get_by_role("progressbar")
    expect(bar).to_have_attribute("value", MIDDLE)

    site.kill()
    expect_away(card)
    line.limit(-1)
    time.sleep(AWAY)
    site.start()

    expect_stored_once(card, LARGE)


@pytest.mark.parametrize("status", [502, 503])
def test_a_file_waits_behind_a_proxy_without_its_server(
    page: Page, card: FilesCard, status: int
) -> None:
    page.route(API, answered(status=status, content_type="text/html", body="<h1>Bad gateway</h1>"))
    card.choose(chosen("large.pdf", pdf()))
    expect_away(card)

    page.unroute(API)

    expect_stored_once(card, pdf())
