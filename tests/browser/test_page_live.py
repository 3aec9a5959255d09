"""Open pages learn what other tabs and support do, without a reload."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Request, Route, expect

from tests.browser.api import PageVisitor
from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import pdf
from tests.maria_project.server import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

REVISION = "sessions/current/revision/"
WAKE = "dispatchEvent(new Event('focus'))"
SET_HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_TRANSFER = """
from common.context import as_operator
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile
from uploads_app.services.transfer import transfer_upload
upload = UploadedFile.objects.get(session={!r}, status="stored")
session = UserSession.objects.get(pk={!r})
with as_operator():
    transfer_upload(upload=upload, session=session, reason="asked for in a test")
"""


def hide(tab: Visit) -> Callable[[], object]:
    """Let the page believe that its tab is hidden for a minute; return what shows it again."""
    tab.page.evaluate(SET_HIDDEN, True)
    tab.page.clock.run_for(60_000)
    return lambda: tab.page.evaluate(SET_HIDDEN, False)


def disconnect(tab: Visit) -> Callable[[], object]:
    """Take only this tab's network away, for a minute; return what gives it back."""
    session = tab.page.context.new_cdp_session(tab.page)
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}

    def set_offline(offline: bool) -> object:
        return session.send("Network.emulateNetworkConditions", {"offline": offline, **speed})

    session.send("Network.enable")
    set_offline(True)
    tab.expect_status("offline")
    tab.page.clock.run_for(60_000)
    return lambda: set_offline(False)


def leave(tab: Visit) -> Callable[[], object]:
    """Return what gives the page the focus. The page is visible and keeps polling until then."""
    return lambda: tab.page.evaluate(WAKE)


def unchanged(route: Route) -> None:
    route.fulfill(status=304)


def stop_time(context: BrowserContext) -> None:
    """From now on time passes in all tabs only if the test says so."""
    context.clock.pause_at(context.pages[0].evaluate("Date.now() / 1000 + 1"))


def ask_now(tab: Visit) -> None:
    """Let the page ask for news at this moment of its time, and wait for the answer.

    It asks nothing while it waits for an answer.
    """
    questions: list[Request] = []

    def note(request: Request) -> None:
        if request.url.endswith(REVISION):
            questions.append(request)

    def is_sent() -> bool:
        tab.page.evaluate(WAKE)
        tab.page.wait_for_timeout(20)  # of the test's time
        return bool(questions)

    tab.page.on("request", note)
    wait_for(is_sent, what="a question for news")
    questions[-1].response()


def test_a_file_of_another_tab_appears_without_a_question(
    site: Site, context: BrowserContext
) -> None:
    first, second = Visit(context.new_page(), site), Visit(context.new_page(), site)
    context.clock.install()
    first.open()
    first.begin()
    second.open()
    second.expect_known()
    for tab in (first, second):
        tab.page.route(f"**/{REVISION}", unchanged)
    stop_time(context)

    first.upload(pdf("tabs"), "tabs.pdf")
    expect(second.file("tabs.pdf")).to_contain_text("Stored")
    second.file("tabs.pdf").get_by_role("button", name="Remove").click()
    expect(first.file("tabs.pdf")).to_have_count(0)


def test_two_tabs_and_a_transfer_by_staff_agree_within_five_seconds(
    site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    first, second = Visit(context.new_page(), site), Visit(context.new_page(), site)
    context.clock.install()
    first.open()
    before = first.begin()
    first.upload(pdf("before"), "before.pdf")
    first.button("Start a new session").click()
    first.alert.get_by_role("button", name="Start a new session").click()
    expect(first.fact("Session UUID")).not_to_have_text(before)
    first.expect_known()
    second.open()
    second.expect_uuid(first.uuid)
    second.expect_known()
    for tab in (first, second):
        tab.page.mouse.click(1, 1)
    stop_time(context)
    for tab in (first, second):
        # The last question is as young as can be, so the next one comes as late as can be.
        ask_now(tab)
        tab.calls.clear()

    site.run(_TRANSFER.format(before, first.uuid))
    assert [tab.file("before.pdf").count() for tab in (first, second)] == [0, 0]
    context.clock.run_for(5_000)

    for tab in (first, second):
        # No more time passes until the answer is shown.
        expect(tab.file("before.pdf")).to_contain_text("Stored")
        assert tab.calls.count("GET uploads/") == 1
    assert site.events(first.uuid).count("upload.restored") == 1


@pytest.mark.parametrize("go", [hide, disconnect, leave])
def test_a_visitor_who_returns_sees_a_new_file_at_once(
    visit: Visit, site: Site, context: BrowserContext, go: Callable[[Visit], Callable[[], object]]
) -> None:
    context.clock.install()
    visit.open()
    visit.begin()
    stop_time(context)
    ask_now(visit)
    come_back = go(visit)

    # Another device has no channel to this page.
    device = PageVisitor(context.new_page(), site, visit.uuid)
    device.open()
    device.upload(pdf("device"), "device.pdf")
    assert visit.file("device.pdf").count() == 0
    come_back()

    visit.expect_known()
    # So little time passes that the page has not waited for its next question.
    context.clock.run_for(100)
    expect(visit.file("device.pdf")).to_contain_text("Stored")
