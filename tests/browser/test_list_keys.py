"""Lists: J, K and Enter, orders by links, and boxes to act on several rows."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.api import PageVisitor
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.helpers import pdf

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


_TICKED = """
from uploads_app.models import UploadedFile
answer = list(UploadedFile.objects.filter(pk__in={files!r}).values_list("status", flat=True))
"""


@pytest.mark.parametrize("scripts", [True, False])
def test_files_are_ticked_in_the_list_and_changed_with_one_reason(
    visitor: PageVisitor,
    back_office: BackOffice,
    new_context: Callable[..., BrowserContext],
    site: Site,
    scripts: bool,
) -> None:
    files = [visitor.upload(pdf(f"file {n}"), f"file-{n}.pdf") for n in range(2)]
    context = new_context(java_script_enabled=scripts)
    context.add_cookies(back_office.page.context.cookies())  # type: ignore[arg-type]
    agent = BackOffice(context.new_page(), site)
    agent.open("uploads_app/uploadedfile/?status__exact=stored")
    all_rows = agent.content.get_by_role("checkbox", name="Select all objects on this page")
    if scripts:
        all_rows.check()
        expect(agent.content.get_by_role("checkbox", checked=False)).to_have_count(0)
        all_rows.uncheck()
    else:
        expect(all_rows).to_be_hidden()
    for file in files:
        agent.content.locator(f'input[value="{file}"]').check()
    agent.page.get_by_role("button", name="Quarantine files…").click()
    expect(agent.page.get_by_role("dialog")).to_have_count(int(scripts))
    agent.page.get_by_label("Abuse").check()
    agent.follow(agent.page.get_by_role("button", name="Put these files in quarantine"))
    expect(agent.said).to_contain_text("2 files are in quarantine.")
    expect(agent.page).to_have_url(re.compile("status__exact=stored"))
    assert site.run(_TICKED.format(files=files)) == ["quarantined"] * 2
