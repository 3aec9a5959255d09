"""The back office is accessible: no axe violations, and usable by keyboard."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from scripts.console_pages import PAGES
from tests.browser.axe import BACK_OFFICE, OF_A_VIEW, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import SOAK, pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

# One row of what a new site has not: `{session}`, `{file}` and `{event}` are of a visitor with a file.
_ROWS = """
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_q.models import Failure, Schedule
from audit_app.models import AuditLog
from sessions_app.models import ServiceKey, UserSession
from sessions_app.services.privacy import erase_session
from sessions_app.services.sessions import issue_session
from uploads_app.models import CleanupRun, QuarantinedObject, RunStatus, UploadedFile
User.objects.filter(username={name!r}).update(is_superuser=True)
erased = issue_session().session
erase_session(session=erased, reason="asked for in a test")
UserSession.objects.filter(pk={uuid!r}).update(
    name="Anna", email="anna@example.com", email_proven=True, completed_at=timezone.now())
now = timezone.now()
answer = {{
    "session": {uuid!r},
    "erased": str(erased.pk),
    "file": str(UploadedFile.objects.get(session_id={uuid!r}).pk),
    "event": AuditLog.objects.filter(session_uuid={uuid!r}).latest("id").pk,
    "run": CleanupRun.objects.create(
        status=RunStatus.STOPPED, actor="system", grace=timedelta(minutes=30), limit=1).pk,
    "trash": QuarantinedObject.objects.create(
        key="uploads/a/b.pdf", size=1, modified_at=now, status="quarantined", reason="no_row").pk,
    "schedule": Schedule.objects.first().pk,
    "failure": Failure.objects.create(
        id="f" * 32, name="mail", func="mail", success=False, started=now, stopped=now).pk,
    "key": ServiceKey.objects.create(
        name="chat", key_hash="0" * 64, expires_at=now + timedelta(days=9)).pk,
    "user": User.objects.get(username={name!r}).pk,
    "group": Group.objects.get(name="Support").pk,
}}
"""
# In `./test` each page in two views, in `make soak` in all four.
_VIEWS = [(BACK_OFFICE, "light"), (PHONE, "dark")]
if SOAK:
    _VIEWS += [(BACK_OFFICE, "dark"), (PHONE, "light")]
# Also a box that scrolls sideways hides what it contains.
_TOO_WIDE = """() => [...document.querySelectorAll("html, main, main *")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .filter((box) => box === document.documentElement || /auto|scroll/.test(getComputedStyle(box).overflowX))
  .map((box) => box.outerHTML.slice(0, 200))"""


def test_no_page_has_axe_violations_or_is_wider_than_its_window(
    visit: Visit, new_context: Callable[..., BrowserContext]
) -> None:
    visit.open()
    uuid = visit.begin()
    visit.upload(pdf())
    back_office = BackOffice(new_context().new_page(), visit.site).sign_in("Support", "axe")
    rows = visit.site.run(_ROWS.format(uuid=uuid, name="axe"))
    found: dict[tuple[str, object], object] = {}
    for name, path in {**PAGES, "search-results": None}.items():
        if path is None:
            back_office.find("Anna")
        else:
            back_office.open(path.format(**rows))
        for view in _VIEWS:
            set_view(back_office.page, *view)
            only = () if view == _VIEWS[0] else OF_A_VIEW
            found[name, view] = violations(back_office.page, targets=True, only=only)
            found[f"{name} is too wide", view] = back_office.page.evaluate(_TOO_WIDE)
    assert {where: what for where, what in found.items() if what} == {}


def test_the_sign_in_pages_have_no_axe_violations(
    new_context: Callable[..., BrowserContext], site: Site
) -> None:
    back_office = BackOffice(new_context().new_page(), site)
    back_office.open("login/")
    assert violations(back_office.page) == []
    back_office.page.get_by_label("Username").fill("nobody")
    back_office.page.get_by_label("Password").fill("guessed")
    back_office.page.get_by_role("button", name="Log in").click()
    expect(back_office.page.get_by_role("alert")).to_be_visible()
    assert violations(back_office.page) == []


def test_a_session_is_found_and_revoked_by_keys_alone(
    visit: Visit, back_office: BackOffice
) -> None:
    visit.open()
    uuid = visit.begin()
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
    assert visit.site.audit(uuid)[-1]["event_type"] == "session.revoked"


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
