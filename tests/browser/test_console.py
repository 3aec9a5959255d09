"""The frame of the console in a browser: keys, the menu of a phone, no JavaScript, nothing stored."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.api import PageVisitor
from tests.browser.axe import BACK_OFFICE, PHONE, set_view, violations
from tests.browser.back_office import BackOffice
from tests.browser.site import Site

pytestmark = pytest.mark.slow

_NAMED = """
from sessions_app.models import UserSession
UserSession.objects.filter(pk={uuid!r}).update(name="Erika Muster")
"""
_STORED = "[Object.keys(localStorage), Object.keys(sessionStorage)]"


def test_keys_lead_to_the_search_unless_somebody_types(back_office: BackOffice) -> None:
    page, keys = back_office.page, back_office.page.keyboard
    box = page.get_by_role("search").get_by_role("combobox")
    back_office.open("sessions_app/usersession/")
    expect(box).not_to_be_focused()
    keys.press("/")
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    keys.type("a/b")
    expect(box).to_have_value("a/b")
    page.locator("h1").click()
    expect(box).not_to_be_focused()
    keys.press("Control+k")
    expect(box).to_be_focused()


def test_a_question_mark_shows_the_keys(back_office: BackOffice) -> None:
    page, keys = back_office.page, back_office.page.keyboard
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    back_office.open("sessions_app/usersession/")
    keys.press("?")
    expect(dialog).to_be_visible()
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog).to_contain_text("Ctrl K")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("search").get_by_role("combobox").fill("who")
    keys.press("?")
    expect(dialog).to_be_hidden()


def test_the_navigation_of_a_phone_is_a_menu(back_office: BackOffice) -> None:
    page = back_office.page
    navigation = page.get_by_role("navigation", name="Main")
    set_view(page, PHONE, "dark")
    back_office.open("")
    expect(navigation).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(navigation).to_be_visible()
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    navigation.get_by_role("link", name="Sessions").click()
    expect(page.get_by_role("heading", name="Sessions", level=1)).to_be_visible()
    set_view(page, BACK_OFFICE, "light")
    expect(navigation).to_be_visible()


def test_everything_is_reached_without_javascript(
    new_context: Callable[..., BrowserContext], site: Site
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    BackOffice(page, site).sign_in("Support").open("")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.get_by_role("button", name="Menu").click()
    navigation = page.get_by_role("navigation", name="Main")
    navigation.get_by_text("support", exact=True).click()
    expect(navigation.get_by_role("link", name="Second factor")).to_be_visible()
    expect(navigation.get_by_text("Theme")).to_be_hidden()
    navigation.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


def test_search_reveal_filters_and_charts_work_without_javascript(
    visitor: PageVisitor, new_context: Callable[..., BrowserContext], site: Site
) -> None:
    site.run(_NAMED.format(uuid=visitor.uuid))
    page = new_context(java_script_enabled=False).new_page()
    plain = BackOffice(page, site).sign_in("Support")
    plain.open("")
    page.get_by_label("Search sessions, files and events").fill(visitor.uuid)
    plain.follow(page.get_by_role("button", name="Search"))
    expect(plain.content).to_contain_text("E••• M•••")
    plain.follow(plain.link("Reveal…"))
    page.get_by_label("To compare with what the caller says").check()
    plain.follow(page.get_by_role("button", name="Show them for 15 minutes"))
    expect(plain.content).to_contain_text("Erika Muster")
    plain.open("sessions_app/usersession/")
    page.get_by_text("Status: All").click()
    plain.follow(plain.link("Revoked"))
    expect(page).to_have_url(re.compile("status__exact=revoked"))
    plain.open("")
    chart = page.get_by_role("figure", name="Sessions, 24 hours")
    expect(chart.get_by_role("table")).to_be_hidden()
    chart.get_by_text("Show as a table").click()
    expect(chart.get_by_role("table")).to_be_visible()


def test_the_api_page_follows_the_colours_of_the_system(page: Page, site: Site) -> None:
    for colours in ("light", "dark"):
        set_view(page, BACK_OFFICE, colours)
        page.goto(f"{site.url}/api/docs/")
        expect(page.get_by_text("Create a session")).to_be_visible()
        assert page.locator("html.dark-mode").count() == (colours == "dark")
        assert violations(page, only=["color-contrast"]) == []
    tags = page.locator("h3.opblock-tag").all_inner_texts()
    assert [tag.split()[0] for tag in tags] == ["sessions", "uploads", "service", "audit"]
    assert violations(page, only=["html-has-lang", "document-title"]) == []


def test_nothing_of_a_page_is_stored_in_the_browser(back_office: BackOffice) -> None:
    page = back_office.page
    for path in ("", "sessions_app/usersession/", "audit_app/auditlog/", "sign-ins/"):
        # The scripts of a page have run when it asks for news. It never becomes idle on a busy machine.
        with page.expect_response(re.compile("/live/")):
            back_office.open(path)
    page.get_by_role("navigation").get_by_text("support", exact=True).click()
    page.get_by_role("button", name=re.compile("^Theme: system")).click()
    expect(page.get_by_role("button", name=re.compile("^Theme: (dark|light)"))).to_be_visible()
    back_office.follow(page.get_by_role("button", name="Sign out", exact=True))
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    local, session = page.evaluate(_STORED)
    assert (local, session) == (["theme"], [])
    page.go_back()
    expect(page.get_by_label("Username")).to_be_visible()
