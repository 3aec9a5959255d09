"""The back office is accessible: no axe violations, and usable by keyboard."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.axe import BACK_OFFICE, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.chromium import Watch
from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

# Each is an address; `{session}`, `{file}` and `{event}` are of a visitor with a file.
PAGES = (
    "", "find/", "find/?q={session}", "find/?q=MAR-7F3-K2Q-X9C",
    "sessions_app/usersession/", "sessions_app/usersession/?status__exact=erased",
    "sessions_app/usersession/{session}/change/", "sessions_app/usersession/{session}/person/",
    *(f"sessions_app/usersession/{{session}}/{act}/"
      for act in ("revoke", "extend", "recover", "export", "erase", "reveal")),
    "uploads_app/uploadedfile/", "uploads_app/uploadedfile/{file}/change/",
    "uploads_app/uploadedfile/{file}/explain/", "uploads_app/uploadedfile/{file}/quarantine/",
    "audit_app/auditlog/", "audit_app/auditlog/{event}/change/",
    "django_q/schedule/", "second-factor/", "sign-ins/", "password_change/",
)  # fmt: skip
_IDS = """
from audit_app.models import AuditLog
from uploads_app.models import UploadedFile
answer = {{
    "session": {uuid!r},
    "file": str(UploadedFile.objects.get(session_id={uuid!r}).pk),
    "event": AuditLog.objects.filter(session_uuid={uuid!r}).latest("id").pk,
}}
"""


def test_the_back_office_has_no_axe_violations(
    visit: Visit, back_office: BackOffice, watch: Watch
) -> None:
    visit.open()
    uuid = visit.begin()
    visit.upload(pdf())
    ids = visit.site.run(_IDS.format(uuid=uuid))
    found = {}
    for number, path in enumerate(PAGES):
        back_office.open(path.format(**ids))
        # Each page in one look, and each look on every other page.
        size, colours = ((PHONE, "dark"), (BACK_OFFICE, "light"))[number % 2]
        set_view(back_office.page, size, colours)
        found[path, size] = violations(back_office.page)
    assert {where: what for where, what in found.items() if what} == {}
    # axe tries to write a style into the page, which the policy refuses.
    assert watch.take("policy Applying inline style")
    assert watch.take("securitypolicyviolation style-src-elem inline")


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
