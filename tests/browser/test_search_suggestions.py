"""The list under the search box: by keyboard, by mouse, announced, and for nothing personal."""

import re

import pytest
from playwright.sync_api import Request, expect

from tests.browser.axe import BACK_OFFICE, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.site import Site

pytestmark = pytest.mark.slow

PERSONAL = ("anna.bell@mail.example", "deadbeef", "20260101", "203.0.113.7", "Contract 2026.pdf")


_SESSION = """
from datetime import timedelta
from django.utils import timezone
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import generate_support_code
code = generate_support_code()
while not any(symbol.isdigit() for symbol in code[4:9]):  # without a digit it may be a name
    code = generate_support_code()
session = UserSession.objects.create(
    support_code=code, token_hash=code, expires_at=timezone.now() + timedelta(days=1))
answer = [str(session.pk), code]
"""


def test_matches_are_chosen_by_keyboard_and_only_ids_are_sent(
    site: Site, back_office: BackOffice
) -> None:
    uuid, code = site.run(_SESSION)
    page, sent = back_office.page, list[str]()

    def on_request(request: Request) -> None:
        if "/suggestions/" in request.url:
            sent.append(str(request.post_data))

    page.on("request", on_request)
    back_office.open("")
    box = page.get_by_role("combobox").first
    options = page.get_by_role("option")
    for term in PERSONAL:
        box.fill("")
        box.press_sequentially(term)
    # The one request after these shows that the pause of typing is over.
    box.fill("")
    box.press_sequentially(code[:9].lower())
    expect(options).to_have_count(1)
    assert len(sent) <= 2  # of the seventh and the eighth symbol
    for term in PERSONAL:
        assert not any(term[:8] in text for text in sent)
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_text("1 match. Choose with the arrow keys")).to_have_count(1)
    for size, colours in ((BACK_OFFICE, "dark"), (PHONE, "light")):
        set_view(page, size, colours)
        assert violations(page) == [], (size, colours)

    box.press("Escape")
    expect(options).to_have_count(0)
    expect(box).to_have_attribute("aria-expanded", "false")
    box.press_sequentially(code[9:11].lower())
    expect(options).to_have_count(1)
    box.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    box.press("Enter")
    expect(page).to_have_url(re.compile(f"{uuid}/change/$"))
    page.go_back()
    expect(box).to_be_visible()
