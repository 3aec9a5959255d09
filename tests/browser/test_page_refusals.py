"""Refused files have a message; transient failures are retried.

Whatever a file meets, its session goes on and the other files stay.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.api import PageVisitor
from tests.browser.files_card import UPLOADS, FilesCard, UploadGate, chosen
from tests.browser.site import Site
from tests.browser.visit import answered
from tests.helpers import pdf

pytestmark = pytest.mark.slow

SETTINGS = {"UPLOAD_MAX_BYTES": "100000", "UPLOAD_MAX_FILES": "3"}
KEPT = pdf("kept")
UNREADABLE = "The server cannot be reached properly just now."
UNAVAILABLE = "This does not work at the moment"


@dataclass(frozen=True)
class TransientFailure:
    """A transient failure of an upload, and the message for the visitor."""

    status: int
    body: str
    words: str
    content_type: str = "text/html"


WRONG = "Something went wrong (internal_error)."
BROKEN = {"code": "internal_error", "detail": "Something broke on our side."}
WEATHER = {
    "page": TransientFailure(502, "<html><h1>Bad Gateway</h1></html>", UNREADABLE),
    "cut": TransientFailure(201, '{"id": "0', UNREADABLE, "application/json"),
    "broken": TransientFailure(500, json.dumps(BROKEN), WRONG, "application/problem+json"),
}


@pytest.fixture
def card(site: Site, page: Page) -> Iterator[FilesCard]:
    """Return a tab whose session has a file; check at the end that it still has both."""
    page.clock.install()
    card = FilesCard(page, site)
    card.begin()
    card.choose(chosen("kept.pdf", KEPT))
    card.expect_stored("kept.pdf")
    card.sent.clear()
    uuid = card.uuid
    yield card
    assert card.uuid == uuid
    assert PageVisitor(page, site, uuid).current() == uuid
    card.expect_stored("kept.pdf")
    assert ("kept.pdf", "stored") in card.rows()
    assert KEPT in card.objects()
    expect(page.get_by_role("alertdialog")).to_have_count(0)


def buttons(card: FilesCard, name: str) -> Locator:
    """The buttons of a file."""
    return card.file(name).get_by_role("button")


def only_kept(card: FilesCard) -> bool:
    """Whether the server has only the one earlier file."""
    return card.objects() == [KEPT] and card.stored_events() == 1


def test_errors_known_in_advance_are_shown_before_the_upload(card: FilesCard) -> None:
    card.choose(
        chosen("photo.png"),
        chosen("report"),
        chosen("empty.pdf", b""),
        chosen("large.pdf", pdf(size=100_001)),
        chosen("good.pdf", pdf(size=100_000)),
    )

    card.expect_stored("good.pdf")
    for name, words in {
        "photo.png": "Only PDF can be uploaded.",
        "report": "Only PDF can be uploaded.",
        "empty.pdf": "This file is empty.",
        "large.pdf": "This file is too large: at most 98 kB.",
    }.items():
        expect(card.problem(name)).to_have_text(words)
        expect(buttons(card, name)).to_have_text(["Remove"])
    assert len(card.sent) == 1
    card.press("Remove", "large.pdf")
    card.expect_files("kept.pdf", "photo.png", "report", "empty.pdf", "good.pdf")


def test_a_first_file_of_a_wrong_type_is_refused_before_the_upload(site: Site, page: Page) -> None:
    card = FilesCard(page, site)
    card.open()

    card.choose(chosen("photo.png"))

    expect(card.problem("photo.png")).to_have_text("Only PDF can be uploaded.")
    assert card.sent == []
    assert site.events(card.uuid) == ["session.created"]


def test_one_file_too_many_waits_for_quota(card: FilesCard) -> None:
    card.choose(*(chosen(f"{number}.pdf", pdf(str(number))) for number in (1, 2, 3)))

    card.expect_stored("1.pdf", "2.pdf")
    expect(card.region).to_contain_text("There is no space left. Remove a file first.")
    assert len(card.sent) == 2
    card.press("Remove", "1.pdf")
    expect(card.file("1.pdf")).to_have_count(0)
    card.press("Try again", "3.pdf")

    card.expect_stored("3.pdf")
    assert len(card.sent) == 3


def test_a_text_file_named_pdf_is_refused(card: FilesCard) -> None:
    card.choose(chosen("notes.pdf", b"These are notes."))

    expect(card.problem("notes.pdf")).to_contain_text(
        "Its name and content must both be of an allowed type: PDF"
    )
    expect(buttons(card, "notes.pdf")).to_have_text(["Remove"])
    assert only_kept(card)
    assert len(card.sent) == 1


def test_quota_used_by_another_tab_can_be_freed(card: FilesCard, context: BrowserContext) -> None:
    other = PageVisitor(context.new_page(), card.site)
    other.start()
    for name in ("theirs.pdf", "last.pdf"):
        other.upload(pdf(name), name)
    card.page.bring_to_front()

    card.choose(chosen("mine.pdf", pdf("mine")))
    expect(card.region).to_contain_text("There is no space left")
    assert card.stored_events() == 3
    card.press("Remove", "theirs.pdf")
    expect(card.file("theirs.pdf")).to_have_count(0)
    card.press("Try again", "mine.pdf")

    card.expect_stored("mine.pdf")
    assert pdf("mine") in card.objects()


def test_a_plain_413_of_a_proxy_is_shown(card: FilesCard, page: Page) -> None:
    page.route(
        UPLOADS,
        lambda route: route.fulfill(
            status=413, content_type="text/plain", body="Request Entity Too Large"
        ),
    )

    card.choose(chosen("report.pdf"))

    expect(card.problem("report.pdf")).to_have_text("This file is too large.")
    expect(buttons(card, "report.pdf")).to_have_text(["Remove"])
    assert only_kept(card)


def test_a_transient_failure_is_retried(card: FilesCard, page: Page) -> None:
    for stored, (kind, weather) in enumerate(WEATHER.items(), start=1):
        name = f"{kind}.pdf"
        answer = answered(
            status=weather.status, content_type=weather.content_type, body=weather.body
        )
        page.route(UPLOADS, answer)

        card.choose(chosen(name))
        expect(card.file(name)).to_contain_text("Trying again soon…")
        expect(card.problem(name)).to_have_text(weather.words)
        expect(buttons(card, name)).to_have_text(["Try again", "Cancel"])
        assert card.objects() == [KEPT]
        assert card.stored_events() == stored
        page.unroute(UPLOADS)
        page.clock.fast_forward(3_000)

        card.expect_stored(name)
        assert len(set(card.keys)) == 1 < len(card.keys)
        assert card.stored_events() == stored + 1
        card.press("Remove", name)
        expect(card.file(name)).to_have_count(0)
        card.sent.clear()


def test_a_rate_limit_is_retried_after_its_wait(card: FilesCard, page: Page) -> None:
    limited = {"code": "rate_limited", "detail": "Too many requests."}
    page.route(
        UPLOADS,
        lambda route: route.fulfill(
            status=429,
            headers={"Retry-After": "40", "Content-Type": "application/problem+json"},
            body=json.dumps(limited),
        ),
    )
    card.choose(chosen("report.pdf"))
    expect(card.problem("report.pdf")).to_have_text("Too many requests. Wait a moment.")
    page.unroute(UPLOADS)

    page.clock.fast_forward(20_000)
    expect(card.file("report.pdf")).to_contain_text("Trying again soon…")
    assert len(card.sent) == 1
    page.clock.fast_forward(40_000)

    card.expect_stored("report.pdf")
    assert len(card.sent) == 2


def test_a_server_that_never_answers_is_retried(card: FilesCard, page: Page) -> None:
    gate = UploadGate(page)
    card.choose(chosen("report.pdf"))
    gate.wait_for(1)

    page.clock.fast_forward(60_000)
    expect(card.problem("report.pdf")).to_have_text("The server does not answer just now.")
    page.unroute(UPLOADS)
    page.clock.fast_forward(3_000)

    card.expect_stored("report.pdf")
    assert card.stored_events() == 2


def test_an_unavailable_store_is_retried(card: FilesCard, page: Page, site: Site) -> None:
    store = site.deployment.data / "storage"
    away = store.rename(store.with_name("away"))
    store.write_text("No folder.")
    try:
        card.choose(chosen("report.pdf"))
        expect(card.problem("report.pdf")).to_contain_text(UNAVAILABLE)
        expect(card.file("report.pdf")).to_contain_text("Trying again soon…")
    finally:
        store.unlink()
        away.rename(store)
    assert only_kept(card)
    card.wait_for_next_try(46_000)  # the server asks for thirty seconds

    card.expect_stored("report.pdf")
    assert card.stored_events() == 2


def test_after_four_failed_attempts_the_visitor_decides(card: FilesCard, page: Page) -> None:
    page.route(UPLOADS, lambda route: route.fulfill(status=502, body="Bad Gateway"))
    card.choose(chosen("report.pdf"))
    for seconds in (3, 6, 12):
        expect(card.file("report.pdf")).to_contain_text("Trying again soon…")
        card.wait_for_next_try(seconds * 1000)

    expect(card.file("report.pdf")).not_to_contain_text("Trying again soon…")
    expect(card.problem("report.pdf")).to_have_text(UNREADABLE)
    expect(buttons(card, "report.pdf")).to_have_text(["Try again", "Remove"])
    assert len(card.sent) == 4
    page.unroute(UPLOADS)
    card.press("Try again", "report.pdf")

    card.expect_stored("report.pdf")
    assert len(set(card.keys)) == 1
    assert card.stored_events() == 2
