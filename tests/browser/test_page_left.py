"""What is begun for one session, or by a tab that does not answer any more, does not reach the next."""

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.site import Site
from tests.browser.visit import UPLOADS, Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]


def visit_of(context: BrowserContext, site: Site) -> Visit:
    return Visit(context.new_page(), site)


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


def test_files_on_their_way_are_dropped_when_another_tab_leaves_the_session(
    site: Site, context: BrowserContext
) -> None:
    ann, other = (visit_of(context, site) for _ in range(2))
    ann.open()
    before = ann.begin()
    held: list[Route] = []
    ann.page.route(
        UPLOADS, lambda r: held.append(r) if r.request.method == "POST" else r.continue_()
    )
    for number in range(3):
        ann.choose(pdf(f"record {number}"), f"ann-{number}.pdf")
    expect(ann.file("ann-2.pdf")).to_contain_text("Waiting for its turn")
    other.open()
    other.expect_known()

    other.button("Start again").click()
    other.alert.get_by_role("button", name="Start again").click()

    expect(ann.fact("Session UUID")).not_to_have_text(before)
    expect(ann.page.get_by_text("No files yet.")).to_be_visible()
    expect(ann.file("ann-")).to_have_count(0)
    ann.page.unroute(UPLOADS)
    ann.upload(pdf("of the next visitor"), "bob.pdf")
    assert len(held) == 2
    after = ann.uuid
    rows = site.deployment.rows(
        f"SELECT name FROM uploads_app_uploadedfile WHERE session_id = '{after.replace('-', '')}'"
    )
    assert rows == [("bob.pdf",)]
