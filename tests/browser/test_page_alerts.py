"""Alerts about an ended or mismatching session, and every way out.

Only a visitor who has something to lose or to decide meets a dialog. It says why and what is
lost, has the support code that staff find the session by, and can be worked by the keyboard
alone.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

REPORT = pdf()
LOST = (
    "You can no longer open 1 file from it: “\u2068report.pdf\u2069”. Support may be able to help."
)
MISMATCH = "This browser has another session"
IS_INSIDE = "document.querySelector('dialog[open]').contains(document.activeElement)"


def support_code(site: Site, uuid: str) -> str:
    """Return a session's support code from the database."""
    (created,) = [e for e in site.audit(uuid) if e["event_type"] == "session.created"]
    return str(created["details"]["support_code"])


def with_report(visit: Visit) -> str:
    """Open the page, create a session with report.pdf, and return its UUID."""
    visit.open()
    uuid = visit.begin()
    visit.upload(REPORT)
    return uuid


def expect_alert(visit: Visit, title: str, text: str, code: str) -> None:
    """Wait for the dialog; check its content and that it has the focus."""
    dialog = visit.page.get_by_role("alertdialog", name=title)
    expect(dialog).to_be_visible()
    expect(dialog).to_have_accessible_description(text)
    expect(dialog.get_by_role("code")).to_have_text(code)
    assert visit.page.evaluate(IS_INSIDE)


def test_a_revoked_session_with_a_file_shows_an_alert_and_a_new_session(
    visit: Visit, site: Site
) -> None:
    old = with_report(visit)
    code = support_code(site, old)
    site.revoke(old)
    known = site.sessions()

    visit.reload()

    expect_alert(visit, "Your session was closed by support", LOST, code)
    visit.expect_status("reset_required")
    assert visit.uuid == visit.remembered() == old
    assert site.sessions() == known

    visit.alert.get_by_role("button", name="Start a new session").click()

    visit.expect_known()
    expect(visit.alert).to_be_hidden()
    assert visit.uuid == visit.remembered() != old
    assert site.sessions() == [*known, visit.uuid]
    assert site.events(visit.uuid) == ["session.created"]
    result = ["session.created", "upload.stored", "session.revoked", "session.refused"]
    assert site.events(old) == result
    visit.page.get_by_text("Where are my files?").click()
    expect(visit.page.get_by_role("code").last).to_have_text(code)


def test_an_expired_session_with_a_file_shows_an_alert_and_has_a_successor(
    visit: Visit, site: Site
) -> None:
    old = with_report(visit)
    code = support_code(site, old)
    site.age_session(old, timedelta(days=8))
    known = site.sessions()

    visit.button("Ask the server now").click()

    expect_alert(visit, "Your session has expired", LOST, code)
    assert site.sessions() == known

    visit.alert.get_by_role("button", name="Start a new session").click()

    visit.expect_known()
    expect(visit.alert).to_be_hidden()
    assert site.sessions() == [*known, visit.uuid]
    (reset,) = [e for e in site.audit(old) if e["event_type"] == "session.reset"]
    assert reset["details"]["reason"] == "expired"
    assert reset["details"]["successor"] == visit.uuid
    assert site.events(old).count("session.expired") == 1


def test_the_dialog_keeps_the_focus_and_can_be_postponed(
    visit: Visit, site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    visit = Visit(context.new_page(), site)
    old = with_report(visit)
    code = support_code(site, old)
    site.revoke(old)
    visit.reload()
    dialog = visit.page.get_by_role("alertdialog")
    expect(dialog).to_be_visible()

    # Tab goes round; the browser's own bar may have its turn, the page behind may not.
    for _ in range(8):
        visit.page.keyboard.press("Tab")
        focused = visit.page.evaluate("document.activeElement.tagName")
        assert focused == "BODY" or visit.page.evaluate(IS_INSIDE)

    visit.button("Copy").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == code

    visit.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    line = visit.page.get_by_role("status").filter(has_text="Your session was closed by support")
    expect(line).to_be_visible()
    assert visit.uuid == old

    line.get_by_role("button", name="What can I do?").press("Enter")
    expect(dialog).to_be_visible()
    assert visit.page.evaluate(IS_INSIDE)
    visit.button("Later").click()
    expect(dialog).to_be_hidden()
    expect(line).to_be_visible()


def test_a_session_without_data_is_replaced_without_an_alert(visit: Visit, site: Site) -> None:
    visit.open()
    old = visit.begin()
    code = support_code(site, old)
    site.revoke(old)
    known = site.sessions()
    dialogs: list[str] = []

    def note(text: str) -> None:
        dialogs.append(text)

    visit.page.expose_function("noted", note)
    visit.page.add_init_script("""new MutationObserver(() => {
      if (document.querySelector("dialog")) noted(document.querySelector("dialog").textContent);
    }).observe(document, { subtree: true, childList: true });""")

    visit.reload()

    expect(visit.fact("Last change")).to_have_text("started")
    visit.expect_known()
    assert visit.uuid == visit.remembered() != old
    assert site.sessions() == [*known, visit.uuid]
    assert site.events(visit.uuid) == ["session.created"]
    assert dialogs == []
    visit.page.get_by_text("Where are my files?").click()
    expect(visit.page.get_by_role("code").last).to_have_text(code)


def remember_another(visit: Visit) -> str:
    """Store a UUID that the cookie does not prove in the browser; return it."""
    another = str(uuid4())
    visit.page.evaluate("uuid => localStorage.setItem('session_uuid', uuid)", another)
    visit.reload()
    return another


def test_after_a_mismatch_the_visitor_can_continue_the_session(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    known = site.sessions()
    another = remember_another(visit)

    dialog = visit.page.get_by_role("alertdialog", name=MISMATCH)
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("code")).to_have_text(support_code(site, uuid))
    assert visit.page.evaluate(IS_INSIDE)
    visit.expect_uuid(another)
    visit.button("Continue with your session").click()

    expect(dialog).to_be_hidden()
    visit.expect_known()
    assert visit.uuid == visit.remembered() == uuid
    assert site.sessions() == known
    assert site.events(uuid) == ["session.created", "session.refused"]


def test_after_a_mismatch_the_visitor_can_start_again(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    known = site.sessions()
    remember_another(visit)

    dialog = visit.page.get_by_role("alertdialog", name=MISMATCH)
    expect(dialog).to_be_visible()
    visit.alert.get_by_role("button", name="Start a new session").click()

    expect(dialog).to_be_hidden()
    visit.expect_known()
    assert site.sessions() == [*known, visit.uuid]
    (reset,) = [e for e in site.audit(uuid) if e["event_type"] == "session.reset"]
    assert reset["details"]["reason"] == "mismatch"


def test_a_reset_must_be_confirmed(visit: Visit, site: Site) -> None:
    visit.open()
    old = visit.begin()
    before = site.events()

    visit.button("Start a new session").click()
    expect(visit.alert).to_have_accessible_name("Start a new session")
    visit.button("Cancel").click()

    expect(visit.alert).to_be_hidden()
    assert visit.uuid == old
    assert site.events() == before
    expect(visit.button("Start a new session")).to_be_focused()

    visit.button("Start a new session").click()
    visit.alert.get_by_role("button", name="Start a new session").click()

    expect(visit.alert).to_be_hidden()
    visit.expect_known()
    assert visit.uuid != old
    assert site.events() == [*before, "session.created", "session.reset"]
    assert site.events(old)[-1] == "session.reset"


def test_a_failed_reset_changes_nothing_and_shows_an_error(
    visit: Visit, site: Site, context: BrowserContext
) -> None:
    visit.open()
    old = visit.begin()
    before = site.events()
    visit.button("Start a new session").click()
    context.set_offline(True)

    visit.alert.get_by_role("button", name="Start a new session").click()

    said = visit.alert.get_by_role("alert")
    expect(said).to_have_text("The server cannot be reached. Is this device online?")
    assert visit.uuid == visit.remembered() == old
    assert site.events() == before

    context.set_offline(False)
    visit.alert.get_by_role("button", name="Start a new session").click()
    expect(visit.alert).to_be_hidden()
    assert visit.uuid != old


def test_another_person_at_the_device_can_leave_the_session(visit: Visit, site: Site) -> None:
    visit.open()
    old = visit.begin()
    code = support_code(site, old)
    visit.button("Your data").click()
    visit.button("Not you?").click()
    visit.alert.get_by_role("button", name="Not you?").click()

    expect(visit.alert).to_be_hidden()
    visit.button("Close").click()
    visit.expect_known()
    assert visit.uuid != old
    (reset,) = [e for e in site.audit(old) if e["event_type"] == "session.reset"]
    assert reset["details"]["reason"] == "not_me"
    visit.page.get_by_text("Where are my files?").click()
    expect(visit.page.get_by_text(code)).to_have_count(0)


def test_a_visitor_can_end_the_session(visit: Visit, site: Site) -> None:
    visit.open()
    old = visit.begin()
    visit.button("End session").click()
    dialog = visit.page.get_by_role("dialog", name="End session")
    dialog.get_by_role("button", name="End session").click()

    visit.expect_status("idle")
    expect(dialog).to_be_hidden()
    assert visit.uuid == "none"
    assert visit.remembered() is None
    assert site.events(old) == ["session.created", "session.ended"]
    known = site.sessions()

    assert visit.begin() != old
    assert site.sessions() == [*known, visit.uuid]


def press_until(visit: Visit, name: str) -> None:
    """Press Tab until the button of this name has the focus."""
    for _ in range(30):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.textContent") == name:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_the_keyboard_alone_leads_from_load_to_reset(visit: Visit, site: Site) -> None:
    visit.open()
    press_until(visit, "Your data")
    visit.expect_known()
    old = visit.uuid

    press_until(visit, "Start a new session")
    visit.page.keyboard.press("Enter")
    expect(visit.alert).to_be_visible()
    assert visit.page.evaluate(IS_INSIDE)
    visit.page.keyboard.press("Escape")
    # The browser closes the dialog and returns the focus. React removes it after the event `close`.
    expect(visit.page.locator("dialog")).to_have_count(0)
    expect(visit.button("Start a new session")).to_be_focused()

    visit.page.keyboard.press("Enter")
    expect(visit.alert).to_be_visible()
    press_until(visit, "Start a new session")
    visit.page.keyboard.press("Enter")

    expect(visit.alert).to_be_hidden()
    visit.expect_known()
    assert visit.uuid != old
    assert site.events(old) == ["session.created", "session.reset"]
