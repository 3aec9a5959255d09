"""What is begun for one session, or by a tab that does not answer any more, does not reach the next."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.site import Site
from tests.browser.visit import API, UPLOADS, Visit, answered
from tests.helpers import pdf
from tests.maria_project.server import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

EMAIL = "ann@example.com"
# What a proxy answers to who has to sign in to the network.
FOREIGN = {
    "application/json": '{"redirect": "/login"}',
    "text/html": "<!doctype html><title>Sign in</title><form></form>",
}


@pytest.fixture
def ann(site: Site, context: BrowserContext) -> Visit:
    """Return a tab with a session."""
    return begun(visit_of(context, site))


@pytest.fixture
def other(ann: Visit, site: Site, context: BrowserContext) -> Visit:
    """Return another tab with the session of `ann`."""
    other = visit_of(context, site)
    other.open()
    other.expect_known()
    assert other.uuid == ann.uuid
    return other


def visit_of(context: BrowserContext, site: Site) -> Visit:
    return Visit(context.new_page(), site)


def begun(visit: Visit) -> Visit:
    visit.open()
    visit.begin()
    return visit


def leave(visit: Visit, button: str) -> None:
    """Open “Your data”, press “Not you?” or “Erase everything”, and confirm."""
    visit.page.bring_to_front()
    visit.button("Your data").click()
    visit.button(button).click()
    visit.alert.get_by_role("button", name=button).click()
    expect(visit.alert).to_be_hidden()
    visit.button("Close").click()


class LateAnswers:
    """Keeps back answers that the server has sent."""

    def __init__(self, page: Page, pattern: str, method: str) -> None:
        self._page, self._method = page, method
        self._kept: list[str] = []
        self._session = page.context.new_cdp_session(page)
        self._session.on("Fetch.requestPaused", self._on_answer)
        patterns = [{"urlPattern": pattern, "requestStage": "Response"}]
        self._session.send("Fetch.enable", {"patterns": patterns})

    def wait_for_one(self) -> None:
        """Wait until the server has answered."""
        wait_for(self._has_one, what="an answer")

    def arrive(self) -> None:
        """Deliver the answers, and no longer keep any."""
        for request in self._kept:
            self._session.send("Fetch.continueRequest", {"requestId": request})
        self._session.send("Fetch.disable")

    def _has_one(self) -> bool:
        self._page.wait_for_timeout(1)  # Playwright reports requests only while it is called
        return bool(self._kept)

    def _on_answer(self, event: dict[str, Any]) -> None:
        if event["request"]["method"] == self._method:
            self._kept.append(event["requestId"])
        else:
            self._session.send("Fetch.continueRequest", {"requestId": event["requestId"]})


def uploads_of(site: Site, uuid: str) -> list[tuple[object, ...]]:
    """Return name and status of the upload rows of a session."""
    return site.deployment.rows(
        f"SELECT name, status FROM uploads_app_uploadedfile WHERE session_id = '{digits(uuid)}'"
    )


def objects_of(site: Site, uuid: str) -> list[Path]:
    """Return the objects that a session has in the store."""
    folder = site.deployment.data / "storage" / "uploads" / uuid
    return sorted(folder.glob("*"))


def contact_of(site: Site, uuid: str) -> tuple[object, ...]:
    """Return status and e-mail address of a session."""
    (row,) = site.deployment.rows(
        f"SELECT status, email FROM sessions_app_usersession WHERE uuid = '{digits(uuid)}'"
    )
    return row


def digits(uuid: str) -> str:
    return uuid.replace("-", "")


def stored_values(visit: Visit) -> str:
    """Return all that the page has in localStorage."""
    return json.dumps(visit.page.evaluate("({ ...localStorage })"))


def test_a_frozen_tab_that_holds_the_lock_stops_no_other_tab(
    site: Site, context: BrowserContext
) -> None:
    frozen = context.new_page()
    frozen.goto(f"{site.url}/health/live")
    frozen.evaluate(
        "void navigator.locks.request('session_lock', () => new Promise(() => {})).catch(() => 0)"
    )
    visit = visit_of(context, site)
    visit.page.clock.install()

    visit.open("?start=load")
    visit.expect_status("starting")
    visit.page.clock.fast_forward(22_000)

    visit.expect_known()
    assert visit.remembered() == visit.uuid


def test_files_on_their_way_are_not_stored_for_the_next_person(
    site: Site, ann: Visit, other: Visit
) -> None:
    before = ann.uuid
    held: list[Route] = []
    ann.page.route(
        UPLOADS, lambda r: held.append(r) if r.request.method == "POST" else r.continue_()
    )
    for number in range(3):
        ann.choose(pdf(f"record {number}"), f"ann-{number}.pdf")
    expect(ann.file("ann-2.pdf")).to_contain_text("Waiting for its turn")

    leave(other, "Not you?")

    expect(ann.fact("Session UUID")).not_to_have_text(before)
    expect(ann.page.get_by_text("No files yet.")).to_be_visible()
    expect(ann.file("ann-")).to_have_count(0)
    ann.page.unroute(UPLOADS)
    ann.upload(pdf("of the next visitor"), "bob.pdf")
    assert len(held) == 2
    after = ann.uuid
    assert uploads_of(site, before) == []
    assert objects_of(site, before) == []
    assert uploads_of(site, after) == [("bob.pdf", "stored")]
    assert [path.read_bytes() for path in objects_of(site, after)] == [pdf("of the next visitor")]
    assert site.events(before) == ["session.created", "session.reset"]
    assert site.events(after) == ["session.created", "upload.stored"]


@pytest.mark.parametrize(
    ("change", "button"), [("identify", "Erase everything"), ("verify", "Not you?")]
)
def test_a_late_answer_changes_nothing_after_another_tab_left_the_session(
    site: Site, ann: Visit, other: Visit, change: str, button: str
) -> None:
    before = ann.uuid
    with late_change(ann, change) as late:
        leave(other, button)
        known = site.events(before)
        is_erased = button == "Erase everything"
        after = other.remembered()
        with ann.page.expect_event("requestfinished"):
            late.arrive()

    assert contact_of(site, before) == (("erased", "") if is_erased else ("reset", EMAIL))
    for tab in (ann, other):
        tab.expect_uuid(after or "none")
        assert tab.remembered() == after
        kept = stored_values(tab)
        assert [text for text in (before, EMAIL) if text in kept] == []
        expect(tab.page.locator("body")).not_to_contain_text(EMAIL)
        assert tab.page.evaluate(SHOWN_IN_FIELDS, EMAIL) is False
    assert (after is None) is is_erased
    assert site.events(before) == known
    if after:
        ann.reload()
        ann.expect_uuid(after)
        ann.expect_known()
        assert site.events(after) == ["session.created"]


SHOWN_IN_FIELDS = """(text) =>
  [...document.querySelectorAll("input")].some((input) => input.value === text)"""


@contextmanager
def late_change(visit: Visit, change: str) -> Iterator[LateAnswers]:
    """Change the visitor's contact data in “Your data”; the answer is kept back."""
    visit.button("Your data").click()
    sheet = visit.page.get_by_role("dialog", name="Your data")
    address = sheet.get_by_label("Your e-mail address")
    if change == "identify":
        late = LateAnswers(visit.page, "*/sessions/current/", "PATCH")
        address.fill(EMAIL)
        sheet.get_by_role("button", name="Save").last.click()
    else:
        address.fill(EMAIL)
        sheet.get_by_role("button", name="Save").last.click()
        sheet.get_by_role("button", name="Send a code to confirm it").click()
        field = sheet.get_by_label("The six digits from the e-mail")
        expect(field).to_be_visible()
        field.fill(visit.site.mailed_code())
        late = LateAnswers(visit.page, "*/email/verify/", "POST")
        sheet.get_by_role("button", name="Confirm", exact=True).click()
    late.wait_for_one()
    yield late


def test_not_you_resets_what_the_cookie_proves_after_the_storage_was_cleared(
    site: Site, ann: Visit, other: Visit
) -> None:
    before = ann.uuid
    ann.upload(pdf("of Ann"), "ann.pdf")
    ann.page.evaluate("localStorage.clear()")
    other.expect_status("idle")

    leave(ann, "Not you?")

    ann.expect_known()
    after = ann.uuid
    assert after != before
    for tab in (ann, other):
        tab.reload()
        tab.expect_uuid(after)
        tab.expect_known()
        expect(tab.page.get_by_text("No files yet.")).to_be_visible()
        assert before not in stored_values(tab)
    (reset,) = [event for event in site.audit(before) if event["event_type"] == "session.reset"]
    assert reset["details"]["reason"] == "not_me"
    assert reset["details"]["successor"] == after
    assert uploads_of(site, before) == [("ann.pdf", "stored")]
    assert uploads_of(site, after) == []


@pytest.mark.parametrize("content_type", FOREIGN)
def test_a_foreign_200_is_waited_out_in_both_tabs(
    site: Site, context: BrowserContext, ann: Visit, other: Visit, content_type: str
) -> None:
    uuid = ann.uuid
    ann.upload(pdf(), "ann.pdf")
    sessions, events = site.sessions(), site.events()
    foreign = answered(status=200, content_type=content_type, body=FOREIGN[content_type])
    context.route(API, foreign)

    ann.button("Ask the server now").click()
    other.reload()

    for tab in (ann, other):
        tab.expect_status("offline")
        expect(tab.fact("Error")).to_have_text("unreadable")
        assert tab.uuid == tab.remembered() == uuid
        expect(tab.page.get_by_text("No files yet.")).to_have_count(0)
        expect(tab.alert).to_be_hidden()
    context.unroute(API)
    for tab in (ann, other):
        tab.button("Ask the server now").click()
        tab.expect_known()
        assert tab.uuid == tab.remembered() == uuid
        expect(tab.file("ann.pdf")).to_contain_text("Stored")
    assert site.sessions() == sessions
    assert site.events() == events


def test_a_file_cancelled_after_its_last_byte_is_neither_kept_nor_counted(
    site: Site, ann: Visit, other: Visit
) -> None:
    late = LateAnswers(ann.page, "*/api/v1/uploads/", "POST")
    ann.choose(pdf("changed my mind"), "ann.pdf")
    late.wait_for_one()
    assert uploads_of(site, ann.uuid) == [("ann.pdf", "stored")]

    ann.file("ann.pdf").get_by_role("button", name="Cancel").click()
    late.arrive()

    expect(ann.page.get_by_text("No files yet.")).to_be_visible()
    wait_for(lambda: uploads_of(site, ann.uuid) == [("ann.pdf", "deleted")], what="its deletion")
    other.reload()
    other.expect_known()
    expect(other.page.get_by_text("No files yet.")).to_be_visible()
    assert objects_of(site, ann.uuid) == []
    assert site.deployment.rows(
        f"SELECT files, bytes FROM uploads_app_uploadquota WHERE session_id = '{digits(ann.uuid)}'"
    ) == [(0, 0)]
    assert site.events(ann.uuid) == ["session.created", "upload.stored", "upload.deleted"]
