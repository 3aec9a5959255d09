"""What screen readers announce while files are sent: one alert and a summary, no storm."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.files_card import UPLOADS, FilesCard, chosen
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

SETTINGS = {"UPLOAD_MAX_FILES": "3"}
PROBLEM = "There is a problem with your files."
# Collects every text of a live region that appears or changes.
_LISTEN = """
window.heard = { alert: [], status: [] };
const last = new WeakMap();
new MutationObserver(() => {
  for (const region of document.querySelectorAll("[role=alert], [role=status]")) {
    const text = region.textContent;
    if (text !== (last.get(region) ?? "")) heard[region.role].push(text);
    last.set(region, text);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
_DROP_MANY = """
(field) => {
  const dataTransfer = new DataTransfer();
  for (let key = 0; key < 500; key++) {
    dataTransfer.items.add(new File(["%PDF-1.4"], `${key}.txt`));
  }
  field.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}
"""


@pytest.fixture
def card(site: Site, page: Page) -> FilesCard:
    """Return a tab with a session and a file, whose announcements are collected from now on."""
    page.clock.install()
    card = FilesCard(page, site)
    card.begin()
    card.choose(chosen("kept.pdf"))
    card.expect_stored("kept.pdf")
    page.evaluate(_LISTEN)
    return card


def heard(page: Page) -> dict[str, list[str]]:
    found: dict[str, Any] = page.evaluate("window.heard")
    return found


def test_500_dropped_files_are_one_alert(card: FilesCard, page: Page) -> None:
    card.field.evaluate(_DROP_MANY)

    expect(card.region.locator("[data-status=failed]")).to_have_count(500)
    summary = "1 file stored. 500 files have a problem. The list says why."
    expect(card.region.get_by_role("status")).to_have_text(summary)
    assert heard(page) == {"alert": [PROBLEM], "status": [summary]}
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(card.problem("499.txt")).to_have_text("Only PDF can be uploaded.")
    assert violations(page) == []


def test_a_dead_server_is_one_alert_until_the_problem_is_solved(
    card: FilesCard, page: Page
) -> None:
    names = ("one.pdf", "two.pdf")
    card.press("Remove", "kept.pdf")
    expect(card.file("kept.pdf")).to_have_count(0)
    page.route(UPLOADS, lambda route: route.abort())

    card.choose(*(chosen(name, pdf(name)) for name in (*names, "three.pdf")))
    for _ in range(20):
        page.clock.run_for(1_000)
    expect(card.region.locator("[data-status=failed]")).to_have_count(3)

    failed = "3 files have a problem. The list says why."
    assert heard(page)["alert"] == [PROBLEM]
    assert heard(page)["status"][-2:] == ["Uploading…", failed]
    assert len(heard(page)["status"]) <= 4
    page.unroute(UPLOADS)
    for name in (*names, "three.pdf"):
        card.press("Try again", name)
    card.expect_stored(*names, "three.pdf")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert heard(page)["alert"] == [PROBLEM]
    assert heard(page)["status"][-2:] == ["Uploading…", "3 files stored."]


def test_names_that_turn_text_around_stay_in_their_place(card: FilesCard, page: Page) -> None:
    card.choose(chosen("\u202egpj.txt"))

    summary = card.region.get_by_role("status")
    expect(summary).to_have_text("1 file stored. \u2068gpj.txt\u2069: Only PDF can be uploaded.")
    for text in ("\u202e", "\u2066", "\u2067"):
        assert text not in page.content()
    card.press("Remove", "gpj.txt")
    long = "\u05d0" * 200 + "\u2069\u202e.txt"
    card.choose(chosen(long))
    shown = "\u05d0" * 55 + "…" + "\u05d0" * 20 + ".txt"
    expect(card.region.locator("bdi").last).to_have_text(shown)
    assert card.region.locator("bdi").last.get_attribute("title") == "\u05d0" * 200 + ".txt"
    box = card.region.locator("bdi").last.bounding_box()
    assert box
    assert box["height"] < 100
