"""The back office is accessible: no axe violations, and usable by keyboard."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from scripts.console_states import States, states
from tests.browser.api import PageVisitor
from tests.browser.axe import BACK_OFFICE, OF_A_VIEW, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.console_rows import EveryPage
from tests.browser.site import Site
from tests.helpers import SOAK

pytestmark = pytest.mark.slow

# In `./test` each page in two views, in `make soak` in all four.
_VIEWS = [(BACK_OFFICE, "light"), (PHONE, "dark")]
if SOAK:
    _VIEWS += [(BACK_OFFICE, "dark"), (PHONE, "light")]
# Guessing until the lock costs many hashes of passwords.
_SLOW = ("locked-out",)
_UNLOCKED = "from axes.utils import reset; reset()"
# The same on each page: without `make soak` it is checked on the first.
_SHELL = ("#header", "#navigation", "#footer")
# Also a box that scrolls sideways hides what it contains.
_TOO_WIDE = """() => [...document.querySelectorAll("html, main, main *")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .filter((box) => box === document.documentElement || /auto|scroll/.test(getComputedStyle(box).overflowX))
  .map((box) => box.outerHTML.slice(0, 200))"""


@pytest.mark.timeout(3600 if SOAK else 900)
def test_no_page_has_axe_violations_or_is_wider_than_its_window(
    visitor: PageVisitor, new_context: Callable[..., BrowserContext]
) -> None:
    every = EveryPage(visitor, new_context, "axe")
    page = every.back_office.page
    found: dict[tuple[str, object], object] = {}
    views = _VIEWS
    for name in every.visit():
        without = () if name == "dashboard" or SOAK else _SHELL
        for view in views:
            set_view(page, *view)
            only = () if view == views[0] else OF_A_VIEW
            found[name, view] = violations(page, targets=True, only=only, without=without)
            found[f"{name} is too wide", view] = page.evaluate(_TOO_WIDE)
        views = views[::-1]  # the next page opens in the view in which this one was left
    assert {where: what for where, what in found.items() if what} == {}


def test_pages_after_an_act_or_a_fault_have_no_axe_violations(
    visitor: PageVisitor, new_context: Callable[..., BrowserContext], site: Site
) -> None:
    back_office = BackOffice(new_context().new_page(), site)
    pages: States = {"sign-in": lambda: back_office.open("login/")}
    pages |= states(back_office, {"session": visitor.uuid})
    found: dict[tuple[str, object], object] = {}
    for name, show in pages.items():
        if name in _SLOW and not SOAK:
            continue
        show()
        for view in _VIEWS:
            set_view(back_office.page, *view)
            only = () if view == _VIEWS[0] else OF_A_VIEW
            found[name, view] = violations(back_office.page, targets=True, only=only)
            found[f"{name} is too wide", view] = back_office.page.evaluate(_TOO_WIDE)
    site.run(_UNLOCKED)
    assert {where: what for where, what in found.items() if what} == {}


def test_a_session_is_found_and_revoked_by_keys_alone(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = visitor.uuid
    keys = back_office.page.keyboard
    focused = back_office.page.locator(":focus")
    back_office.open("")
    # The browser moves the focus at its next frame, so a key pressed at once can miss it.
    expect(focused).to_have_attribute("name", "q")
    keys.type(uuid)
    with back_office.page.expect_navigation():
        keys.press("Enter")
    expect(back_office.page).to_have_url(re.compile(f"{uuid}/change/"))
    _tab_to(back_office, "More")
    keys.press("Enter")
    _tab_to(back_office, "Revoke…")
    keys.press("Enter")
    expect(back_office.page.get_by_role("dialog")).to_be_visible()
    _tab_to(back_office, "Visitor asked")
    keys.press("Space")
    _tab_to(back_office, "Revoke this session")
    keys.press("Enter")
    expect(back_office.said).to_contain_text("revoked")
    assert visitor.site.audit(uuid)[-1]["event_type"] == "session.revoked"


def _tab_to(back_office: BackOffice, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    wanted = back_office.page.locator(":focus").and_(
        back_office.page.get_by_text(name, exact=True)
        .or_(back_office.page.get_by_label(name, exact=True))
        .or_(back_office.page.get_by_role("button", name=name))
    )
    for _ in range(80):
        back_office.page.keyboard.press("Tab")
        if wanted.count():
            return
    raise AssertionError(f"{name} cannot be reached by keys")
