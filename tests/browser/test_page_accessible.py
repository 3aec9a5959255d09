"""Every state of the page has no axe violations and fits the smallest phone.

Each state is looked at on a phone and at a desk, in light and in dark.
"""

from collections.abc import Callable
from itertools import product
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.axe import BACK_OFFICE, PHONE, SMALLEST, set_view, violations
from tests.browser.site import Site
from tests.browser.visit import API, SESSIONS, UPLOADS, Visit, answered, hold_request, problem
from tests.helpers import SOAK, pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

VIEWS = [(PHONE, "dark"), (BACK_OFFICE, "light")]
if SOAK:
    VIEWS = list(product([PHONE, BACK_OFFICE], ["dark", "light"]))
REPORT = pdf()
NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("The user has switched it off.", "SecurityError") } })"""
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("dialog, .card, .news *")]
  .filter((element) => element.scrollWidth > element.clientWidth && element.clientWidth > 1)
  .map((element) => element.outerHTML.slice(0, 200))"""


def idle(visit: Visit, site: Site) -> None:
    """Nothing has happened."""
    visit.open()
    visit.expect_status("idle")


def starting(visit: Visit, site: Site) -> None:
    """The server does not answer the creation of a session."""
    visit.page.route(SESSIONS, hold_request)
    visit.open()
    visit.page.keyboard.press("Tab")
    visit.expect_status("starting")


def ready_with_a_file(visit: Visit, site: Site) -> None:
    """A file is stored, and all details are open."""
    visit.open()
    visit.begin()
    visit.upload(REPORT)
    visit.page.get_by_text("Where are my files?").click()


def refused_file(visit: Visit, site: Site) -> None:
    """A file is refused."""
    visit.open()
    visit.begin()
    visit.choose(b"GIF89a", "holiday.gif")
    expect(visit.page.get_by_role("alert")).to_be_visible()


def uploading(visit: Visit, site: Site) -> None:
    """An upload never ends."""
    visit.open()
    visit.begin()
    visit.page.route(UPLOADS, hold_request)
    visit.choose(REPORT, "report.pdf")
    expect(visit.file("report.pdf").get_by_role("progressbar")).to_be_visible()


def offline(visit: Visit, site: Site) -> None:
    """The server does not answer, and a message was not sent."""
    visit.open()
    visit.begin()
    visit.page.route(API, lambda route: route.abort())
    visit.button("Ask the server now").click()
    visit.expect_status("offline")
    visit.say("Are you there?")
    expect(visit.page.get_by_role("alert")).to_contain_text("Not sent.")


def expiring(visit: Visit, site: Site) -> None:
    """The session expires in four minutes."""
    visit.page.clock.install()
    visit.open("?start=load")
    visit.expect_known()
    visit.page.clock.fast_forward("23:56:00")
    visit.expect_status("expiring")


def reset_required(visit: Visit, site: Site) -> None:
    """Support has closed a session that held a file."""
    visit.open()
    uuid = visit.begin()
    visit.upload(REPORT)
    site.revoke(uuid)
    visit.button("Ask the server now").click()
    expect(visit.alert).to_be_visible()


def mismatch(visit: Visit, site: Site) -> None:
    """The browser remembers another UUID than its cookie proves."""
    visit.open()
    visit.begin()
    visit.page.evaluate("uuid => localStorage.setItem('session_uuid', uuid)", str(uuid4()))
    visit.reload()
    expect(visit.alert).to_be_visible()


def mismatch_put_off(visit: Visit, site: Site) -> None:
    """The same, with the dialog postponed."""
    mismatch(visit, site)
    visit.page.keyboard.press("Escape")
    expect(visit.button("What can I do?")).to_be_visible()


def confirming(visit: Visit, site: Site) -> None:
    """The visitor is asked whether to start again."""
    visit.open()
    visit.begin()
    visit.button("Start a new session").click()
    expect(visit.alert).to_be_visible()


def your_data(visit: Visit, site: Site) -> None:
    """“Your data” is open, with an address to verify."""
    visit.open()
    visit.begin()
    visit.button("Your data").click()
    visit.page.get_by_label("Your e-mail address").fill("ada@example.org")
    visit.button("Save").click()
    visit.button("What happened").click()
    expect(visit.page.get_by_role("list", name="What happened")).to_be_visible()
    expect(visit.button("Send a code to confirm it")).to_be_visible()


def failed(visit: Visit, site: Site) -> None:
    """The server refuses a session."""
    visit.page.route(SESSIONS, answered(**problem(403, "origin_not_allowed")))
    visit.open()
    visit.page.keyboard.press("Tab")
    visit.expect_status("failed")


def not_persistent(visit: Visit, site: Site) -> None:
    """The browser keeps nothing."""
    visit.page.add_init_script(NO_STORAGE)
    visit.open()
    visit.begin()
    expect(visit.status).to_contain_text("This browser stores no data for this page")


STATES: list[Callable[[Visit, Site], None]] = [
    idle, starting, ready_with_a_file, refused_file, uploading, offline, expiring,
    reset_required, mismatch, mismatch_put_off, confirming, your_data, failed, not_persistent,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_no_axe_violations_and_no_overflow(
    visit: Visit, site: Site, state: Callable[[Visit, Site], None]
) -> None:
    state(visit, site)
    for size, colours in VIEWS:
        set_view(visit.page, size, colours)
        assert violations(visit.page) == [], (size, colours)
    set_view(visit.page, SMALLEST, "light")
    assert visit.page.evaluate(TOO_WIDE) == []


def test_axe_notices_a_violation(visit: Visit) -> None:
    visit.open()
    visit.page.evaluate("document.body.append(document.createElement('button'))")
    (found,) = violations(visit.page)
    assert found.startswith("button-name")
