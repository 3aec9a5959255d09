"""Files that are pasted, dropped beside the field, chosen twice, or have no room."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from tests.browser.files_card import FilesCard, chosen
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

SETTINGS = {"UPLOAD_MAX_FILES": "3", "UPLOAD_TYPES": "pdf,png"}
FULL = "There is no space left. Remove a file first."
QUESTION = "You have a file with this name and size already."
INSET = 12
# What a program copies: a picture, and with it the text that the picture shows.
_COPY = """
async (text) => {
  const picture = new OffscreenCanvas(8, 8);
  picture.getContext("2d").fillRect(0, 0, 4, 4);
  const item = { "image/png": await picture.convertToBlob() };
  if (text) item["text/plain"] = new Blob([text], { type: "text/plain" });
  await navigator.clipboard.write([new ClipboardItem(item)]);
}
"""


@pytest.fixture
def card(site: Site, page: Page) -> FilesCard:
    """Return a tab at the page, with a session."""
    card = FilesCard(page, site)
    card.begin()
    return card


class Drag:
    """Files that are dragged from a program of the device over a page, by the browser itself."""

    def __init__(self, page: Page, *files: Path) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}

    def do(self, kind: str, x: int, y: int) -> None:
        """Enter the page, move over it, leave it or drop."""
        event = {"type": kind, "x": x, "y": y, "data": self._data}
        self._session.send("Input.dispatchDragEvent", event)


def test_a_pasted_picture_is_stored_and_pasted_text_stays_text(
    card: FilesCard, page: Page, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    message = page.get_by_role("textbox", name="Message")
    page.evaluate(_COPY, "copied from a letter")
    message.focus()
    page.keyboard.press("Control+V")
    expect(message).to_have_value("copied from a letter")

    # A picture alone is a file, wherever the focus is.
    page.evaluate(_COPY, "")
    page.keyboard.press("Control+V")

    expect(card.region.locator("bdi")).to_have_text([re.compile(r"\.png$")])
    expect(card.region.get_by_role("listitem")).to_contain_text("Stored, ")
    expect(message).to_have_value("copied from a letter")
    (stored,) = card.objects()
    assert stored.startswith(b"\x89PNG")


def test_a_file_is_dropped_anywhere_on_the_page(
    card: FilesCard, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf("dropped"))
    overlay = page.get_by_text("Drop the files anywhere on this page")
    drag = Drag(page, file)

    drag.do("dragEnter", 5, 5)
    drag.do("dragOver", 5, 5)
    for width, height in ((1280, 720), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        expect(overlay).to_be_visible()
        assert overlay.bounding_box() == {
            "x": INSET, "y": INSET, "width": width - 2 * INSET, "height": height - 2 * INSET,
        }  # fmt: skip
    drag.do("dragOver", 5, 5)
    drag.do("drop", 5, 5)

    card.expect_stored("report.pdf")
    expect(overlay).to_have_count(0)
    assert card.objects() == [pdf("dropped")]


def test_a_duplicate_has_one_question(card: FilesCard) -> None:
    file = chosen("report.pdf")
    card.choose(file)
    card.expect_stored("report.pdf")

    for _ in range(2):
        card.choose(file)
        expect(card.region.get_by_role("listitem").get_by_text(QUESTION)).to_have_count(1)
        card.expect_files("report.pdf", "report.pdf")
    assert len(card.sent) == 1
    card.region.get_by_role("button", name="Upload it, too").click()

    expect(card.region.get_by_text("Stored, ")).to_have_count(2)
    expect(card.region.get_by_text(QUESTION)).to_have_count(0)
    assert card.rows() == [("report.pdf", "stored")] * 2
    assert card.objects() == [pdf(), pdf()]


def test_a_full_session_says_once_what_to_do(card: FilesCard) -> None:
    names = [f"{number}.pdf" for number in range(5)]
    card.choose(*(chosen(name, pdf(name)) for name in names))
    card.expect_stored(*names[:3])

    expect(card.region.get_by_text("Not uploaded")).to_have_count(2)
    expect(card.region.get_by_text(FULL)).to_have_count(1)
    expect(card.region.get_by_role("status")).to_contain_text(FULL)
    expect(card.region.get_by_role("listitem").filter(has_text=FULL)).to_have_count(0)
    assert len(card.sent) == 3

    # It is the right advice.
    card.press("Remove", "0.pdf")
    expect(card.file("0.pdf")).to_have_count(0)
    card.press("Try again", "3.pdf")
    card.expect_stored("3.pdf")
