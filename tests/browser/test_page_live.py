"""Open pages learn what other tabs and support do, without a reload."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

REVISION = "GET sessions/current/revision/"
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


def unchanged(route: Route) -> None:
    route.fulfill(status=304)


def test_a_file_of_another_tab_appears_without_a_question(
    site: Site, context: BrowserContext
) -> None:
    first, second = Visit(context.new_page(), site), Visit(context.new_page(), site)
    first.open()
    first.begin()
    second.open()
    second.expect_known()
    for tab in (first, second):
        tab.page.route("**/sessions/current/revision/", unchanged)

    first.upload(pdf("tabs"), "tabs.pdf")
    expect(second.file("tabs.pdf")).to_contain_text("Stored")
    second.file("tabs.pdf").get_by_role("button", name="Remove").click()
    expect(first.file("tabs.pdf")).to_have_count(0)


def test_two_tabs_and_a_transfer_by_staff_agree(
    site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    first, second = Visit(context.new_page(), site), Visit(context.new_page(), site)
    first.open()
    before = first.begin()
    first.upload(pdf("before"), "before.pdf")
    first.button("Start a new session").click()
    first.alert.get_by_role("button", name="Start a new session").click()
    expect(first.fact("Session UUID")).not_to_have_text(before)
    first.expect_known()
    second.open()
    second.expect_uuid(first.uuid)
    for tab in (first, second):
        with tab.page.expect_request("**/sessions/current/revision/"):
            tab.page.mouse.click(1, 1)
        tab.calls.clear()

    site.run(_TRANSFER.format(before, first.uuid))

    for tab in (first, second):
        expect(tab.file("before.pdf")).to_contain_text("Stored")
        # One that began before the transfer, and those until its answer: 4 seconds each.
        assert tab.calls.count("GET uploads/") == 1
    assert site.events(first.uuid).count("upload.restored") == 1
