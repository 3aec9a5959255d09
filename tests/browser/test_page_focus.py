"""The focus stays near when the control that has it disappears; the keyboard alone is used."""

from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.site import Site
from tests.browser.visit import UPLOADS, Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def expect_kept(element: Locator) -> None:
    """Wait until an element has the focus; check that it can be seen, and axe finds nothing."""
    expect(element).to_be_focused()
    expect(element).to_be_visible()
    assert violations(element.page) == []


def press(button: Locator) -> None:
    button.focus()
    button.page.keyboard.press("Enter")


def test_files_that_are_removed_or_dismissed_give_it_to_a_neighbour(visit: Visit) -> None:
    visit.open()
    visit.begin()
    for name in ("one.pdf", "two.pdf"):
        visit.upload(pdf(name), name)
    for name in ("empty.pdf", "notes.txt"):
        visit.choose(b"", name)

    press(visit.file("empty.pdf").get_by_role("button", name="Remove"))
    expect(visit.file("notes.txt").get_by_role("button", name="Remove")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.file("two.pdf").get_by_role("button", name="Remove")).to_be_focused()
    press(visit.file("one.pdf").get_by_role("button", name="Remove"))
    expect(visit.file("two.pdf").get_by_role("button", name="Download")).to_be_focused()
    press(visit.file("two.pdf").get_by_role("button", name="Remove"))

    expect_kept(region(visit.page, "Your files"))


def test_trying_again_and_cancelling_keep_it_in_the_list(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open()
    visit.begin()
    visit.upload(pdf())
    visit.page.route(UPLOADS, lambda route: route.abort())
    visit.choose(pdf("patient"), "patient.pdf")
    row = visit.file("patient.pdf")
    expect(row).to_contain_text("Trying again soon…")

    press(row.get_by_role("button", name="Try again"))
    expect(row.get_by_role("button", name="Cancel")).to_be_focused()
    visit.page.keyboard.press("Enter")

    expect(row).to_have_count(0)
    expect(visit.file("report.pdf").get_by_role("button", name="Remove")).to_be_focused()


def test_files_that_disappear_by_themselves_leave_it_in_the_region(
    visit: Visit, site: Site, context: BrowserContext
) -> None:
    visit.open()
    visit.begin()
    visit.upload(pdf())
    other = Visit(context.new_page(), site)
    other.open()
    other.expect_known()
    visit.file("report.pdf").get_by_role("button", name="Download").focus()

    other.button("Start a new session").click()
    other.alert.get_by_role("button", name="Start a new session").click()

    expect(visit.file("report.pdf")).to_have_count(0)
    expect_kept(region(visit.page, "Your files"))


def test_an_alert_leaves_it_on_the_line_that_stays_and_then_in_the_region(visit: Visit) -> None:
    visit.open()
    visit.begin()
    visit.page.evaluate("uuid => localStorage.setItem('session_uuid', uuid)", str(uuid4()))
    visit.reload()
    line = visit.button("What can I do?")

    for button in ("", "Later"):
        expect(visit.alert).to_be_visible()
        if button:
            press(visit.button(button))
        else:
            visit.page.keyboard.press("Escape")
        expect_kept(line)
        visit.page.keyboard.press("Enter")
    press(visit.button("Continue with your session"))

    visit.expect_known()
    expect_kept(region(visit.page, "Conversation"))


def test_staying_in_the_session_leaves_it_in_the_region(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open("?start=load")
    visit.expect_known()
    visit.page.clock.fast_forward("23:56:00")
    visit.expect_status("expiring")

    press(visit.button("Keep my session"))

    expect(visit.button("Keep my session")).to_have_count(0)
    expect_kept(region(visit.page, "Conversation"))


def test_dialogs_return_it_to_their_button_or_leave_it_in_the_region(visit: Visit) -> None:
    visit.open()
    visit.begin()
    for way in ("Escape", "Enter"):
        press(visit.button("End session"))
        cancel = visit.page.get_by_role("dialog").get_by_role("button", name="Cancel")
        cancel.focus()
        visit.page.keyboard.press(way)
        expect(visit.button("End session")).to_be_focused()

    visit.page.keyboard.press("Enter")
    press(visit.page.get_by_role("dialog").get_by_role("button", name="End session"))

    visit.expect_status("idle")
    expect_kept(region(visit.page, "Your session"))


def test_erasing_leaves_it_in_the_panel_and_closing_returns_it(visit: Visit) -> None:
    visit.open()
    visit.begin()
    press(visit.button("Your data"))
    press(visit.button("What happened"))
    expect(visit.button("Download everything")).to_be_focused()

    press(visit.button("Erase everything"))
    press(visit.alert.get_by_role("button", name="Erase everything"))

    visit.expect_status("idle")
    expect_kept(region(visit.page, "Your data"))
    press(visit.button("Close"))
    expect_kept(visit.button("Your data"))
