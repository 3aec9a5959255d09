"""J, K and Enter in lists, and their orders by links."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import BACK_OFFICE, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.site import Site

pytestmark = pytest.mark.slow

_SESSIONS = """
from datetime import timedelta
from django.utils import timezone
from sessions_app.models import UserSession
now = timezone.now()
UserSession.objects.bulk_create(
    UserSession(
        token_hash=f"keys {n}", created_at=now + timedelta(milliseconds=n),
        last_seen_at=now + timedelta(days=9 - n), expires_at=now + timedelta(days=30),
    )
    for n in range(3)
)
codes = UserSession.objects.filter(token_hash__startswith="keys").order_by("-created_at")
answer = list(codes.values_list("support_code", flat=True))
"""


def test_rows_are_chosen_by_keys_and_orders_by_links(site: Site, back_office: BackOffice) -> None:
    newest, _, oldest = site.run(_SESSIONS)
    page = back_office.page
    back_office.open("sessions_app/usersession/")
    for size, colours in ((BACK_OFFICE, "light"), (BACK_OFFICE, "dark"), (PHONE, "light")):
        set_view(page, size, colours)
        assert violations(page) == [], (size, colours)
    page.keyboard.press("j")
    expect(back_office.link(newest)).to_be_focused()
    page.keyboard.press("k")
    expect(back_office.link(newest)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(back_office.link(oldest)).to_be_focused()

    back_office.follow(back_office.link("Last seen first"))
    expect(page).to_have_url(re.compile("o=-last_seen_at"))
    expect(back_office.link("Last seen first")).to_have_attribute("aria-current", "true")
    page.keyboard.press("j")
    expect(back_office.link(oldest)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=oldest).first).to_be_visible()
