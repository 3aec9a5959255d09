"""The session's page in a browser: what is on the first screen, the parts, and dialogs."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.api import PageVisitor
from tests.browser.axe import violations
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = pytest.mark.slow


def with_files(visitor: PageVisitor, count: int = 3) -> str:
    """Upload files, and return the UUID of the session."""
    for number in range(count):
        visitor.upload(pdf(f"file {number}"), f"file-{number}.pdf")
    return visitor.uuid


def test_the_newest_five_events_are_on_the_first_screen(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = with_files(visitor)
    tab = back_office.page
    for width, height, screens in ((1280, 800, 1), (390, 844, 2)):
        tab.set_viewport_size({"width": width, "height": height})
        back_office.open_session(uuid)
        fifth = tab.locator(".story-event").nth(4).bounding_box()
        assert fifth is not None
        assert fifth["y"] + fifth["height"] <= height * screens
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_an_act_is_confirmed_in_a_dialog_on_the_page(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = with_files(visitor)
    page = back_office.page
    page.set_viewport_size({"width": 390, "height": 844})
    back_office.open_session(uuid)
    back_office.link(re.compile(r"^Files \d")).click()
    expect(page.locator("#timeline")).to_be_hidden()
    page.get_by_role("button", name="Quarantine files…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Quarantine files")).to_be_visible()
    assert violations(page) == []
    confirm = dialog.get_by_role("button", name="Put these files in quarantine")
    confirm.click()  # without a reason nothing is sent
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Quarantine files…").click()
    dialog.get_by_label("Abuse").check()
    confirm.click()
    expect(back_office.said).to_contain_text("3 files are in quarantine.")
    expect(page).to_have_url(re.compile(f"{uuid}/change/#files$"))
    assert visitor.site.events(uuid).count("upload.quarantined") == 3
    page.get_by_role("button", name="Undo").click()
    expect(back_office.said).to_contain_text("3 files were released from quarantine.")
    expect(back_office.said).to_be_in_viewport()


def test_without_javascript_the_parts_and_acts_are_plain_pages(
    visitor: PageVisitor,
    back_office: BackOffice,
    new_context: Callable[..., BrowserContext],
    site: Site,
) -> None:
    uuid = with_files(visitor, 1)
    context = new_context(java_script_enabled=False)
    context.add_cookies(back_office.page.context.cookies())  # type: ignore[arg-type]
    plain = BackOffice(context.new_page(), site)
    plain.open_session(uuid)
    expect(plain.page.locator("#files")).to_be_hidden()
    plain.link(re.compile(r"^Files \d")).click()
    expect(plain.page.locator("#files")).to_be_visible()
    expect(plain.page.locator("#timeline")).to_be_hidden()
    plain.page.get_by_role("checkbox").first.check()
    plain.page.get_by_role("button", name="Quarantine files…").click()
    expect(plain.page).to_have_url(re.compile("quarantine_files/"))
    plain.page.get_by_label("Abuse").check()
    plain.page.get_by_role("button", name="Put these files in quarantine").click()
    expect(plain.said).to_contain_text("1 file is in quarantine.")
