"""“Your data” on the page: identity, consent, history, export, end and erasure."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.files_card import FilesCard, chosen
from tests.browser.site import Site, serving
from tests.helpers import pdf
from tests.mailbox import Mailbox
from tests.ports import free_port

pytestmark = pytest.mark.slow

ANNA = "anna@example.com"
CONTACT = "You may contact me about my request."
_RECOVERY_CODE = """
from common.context import as_actor
from sessions_app.models import UserSession
from sessions_app.services.recovery import issue_recovery_code
with as_actor("staff:7"):
    session = UserSession.objects.get(pk={uuid!r})
    answer = issue_recovery_code(session=session, reason="requested for in a test")
"""


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    """Return the site's mailbox."""
    return Mailbox()


@pytest.fixture(scope="module")
def site(mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with its own mail server."""
    mail = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    mail.start()
    url = f"smtp://127.0.0.1:{mail.port}"
    try:
        with serving(tmp_path_factory.mktemp("site") / "data", EMAIL_URL=url) as site:
            yield site
    finally:
        mail.stop()


@dataclass
class DataPageVisitor(FilesCard):
    """A tab whose visitor opens “Your data”."""

    @property
    def sheet(self) -> Locator:
        """The open “Your data” sheet."""
        return self.page.get_by_role("dialog", name="Your data")

    def open_sheet(self) -> None:
        """Open “Your data”."""
        self.page.get_by_role("button", name="Your data").click()
        expect(self.sheet).to_be_visible()

    def close_sheet(self) -> None:
        """Close it."""
        self.sheet.get_by_role("button", name="Close").click()
        expect(self.sheet).to_have_count(0)

    def tap(self, button: str) -> None:
        """Press a button of the sheet."""
        self.sheet.get_by_role("button", name=button, exact=True).click()

    def enter(self, label: str, text: str, button: str) -> None:
        """Fill a field of the sheet and press its button."""
        self.sheet.get_by_label(label).fill(text)
        self.tap(button)

    def agree_to(self, button: str) -> None:
        """Press a button of the sheet and confirm."""
        self.tap(button)
        requested = self.page.get_by_role("alertdialog", name=button)
        requested.get_by_role("button", name=button).click()
        expect(requested).to_have_count(0)

    def say(self, text: str) -> None:
        """Write to Maria."""
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.get_by_role("button", name="Send").click()
        expect(self.said).to_contain_text(text)

    @property
    def said(self) -> Locator:
        """The conversation."""
        return self.page.get_by_role("log", name="Messages")

    @property
    def support_code(self) -> str:
        """The support code."""
        text = self.page.locator("details", has_text="Where are my files?").locator("code").first
        return text.text_content() or ""

    def remembered(self) -> dict[str, str]:
        """The page's local and session storage."""
        return dict(self.page.evaluate("({ ...localStorage, ...sessionStorage })"))

    def answer(self, statement: str) -> list[tuple[object, ...]]:
        """Run an SQL statement about this session (`:uuid`)."""
        digits = self.uuid.replace("-", "")
        return self.site.deployment.rows(statement.replace(":uuid", f"'{digits}'"))


@pytest.fixture
def visitor(site: Site, page: Page) -> DataPageVisitor:
    """Return a tab with a session."""
    visitor = DataPageVisitor(page, site)
    visitor.begin()
    return visitor


def recovery_code(visitor: DataPageVisitor) -> str:
    """Let support issue a recovery code for a visitor's session."""
    return str(visitor.site.run(_RECOVERY_CODE.format(uuid=visitor.uuid)))


def test_an_address_is_verified_by_the_mailed_code(
    visitor: DataPageVisitor, mailbox: Mailbox, context: BrowserContext
) -> None:
    other = DataPageVisitor(context.new_page(), visitor.site)
    other.open()
    visitor.page.bring_to_front()
    visitor.open_sheet()

    visitor.enter("Your e-mail address", ANNA, "Save")
    visitor.tap("Send a code to confirm it")
    expect(visitor.sheet).to_contain_text("We sent you a code by e-mail.")
    code = mailbox.sent_code()
    wrong = f"{(int(code) + 1) % 10**6:06}"
    visitor.enter("The six digits from the e-mail", wrong, "Confirm")
    expect(visitor.sheet.get_by_role("alert")).to_contain_text("Compare the six digits")
    assert "session.completed" not in visitor.site.events(visitor.uuid)
    visitor.enter("The six digits from the e-mail", code, "Confirm")
    expect(visitor.sheet).to_contain_text("Confirmed")

    assert visitor.site.events(visitor.uuid).count("session.completed") == 1
    assert visitor.answer(
        "SELECT email, completed_at IS NOT NULL FROM sessions_app_usersession WHERE uuid = :uuid"
    ) == [(ANNA, 1)]
    # The proof has changed twice meanwhile; the other tab has not noticed.
    other.page.bring_to_front()
    other.say("I am still here.")
    assert other.uuid == visitor.uuid
    expect(other.page.get_by_role("alertdialog")).to_have_count(0)
    visitor.page.bring_to_front()
    visitor.page.reload()
    visitor.open_sheet()
    expect(visitor.sheet.get_by_label("Your e-mail address")).to_have_value(ANNA)
    expect(visitor.sheet).to_contain_text("Confirmed")


def test_consent_is_given_and_withdrawn(visitor: DataPageVisitor) -> None:
    visitor.open_sheet()
    contact = visitor.sheet.get_by_role("checkbox", name=CONTACT)

    contact.click()
    expect(contact).to_be_checked()
    visitor.page.reload()
    visitor.open_sheet()
    expect(contact).to_be_checked()
    contact.click()
    expect(contact).not_to_be_checked()

    result = [
        (event["event_type"], event["details"]["purpose"], event["details"]["version"])
        for event in visitor.site.audit(visitor.uuid)
        if event["event_type"].startswith("consent.")
    ]
    assert result == [
        ("consent.granted", "contact", "2026-11"),
        ("consent.withdrawn", "contact", "2026-11"),
    ]


def test_the_history_shows_support_too(visitor: DataPageVisitor) -> None:
    visitor.choose(chosen("report.pdf"))
    visitor.expect_stored("report.pdf")
    recovery_code(visitor)
    visitor.open_sheet()

    visitor.tap("What happened")

    events = visitor.sheet.get_by_role("list", name="What happened").get_by_role("listitem")
    expect(events).to_have_count(3)
    expect(events.nth(0)).to_contain_text("Support issued a recovery code")
    expect(events.nth(1)).to_contain_text("You uploaded report.pdf.")
    expect(events.nth(2)).to_contain_text("You started this session.")


def test_all_data_can_be_exported(visitor: DataPageVisitor) -> None:
    visitor.choose(chosen("report.pdf"))
    visitor.expect_stored("report.pdf")
    visitor.open_sheet()
    visitor.enter("Your e-mail address", ANNA, "Save")
    expect(visitor.sheet.get_by_role("button", name="Send a code to confirm it")).to_be_visible()

    with visitor.page.expect_download() as begins:
        visitor.tap("Download everything")

    assert begins.value.suggested_filename == "your-data.json"
    document = json.loads(begins.value.path().read_bytes())
    assert document["session"]["uuid"] == visitor.uuid
    assert document["session"]["email"] == ANNA
    assert [file["name"] for file in document["uploads"]] == ["report.pdf"]
    result = [event["event"] for event in reversed(document["events"])]
    assert result == visitor.site.events(visitor.uuid)
    assert result[-1] == "session.exported"


def test_the_next_person_sees_nothing_of_the_previous_one(
    visitor: DataPageVisitor, context: BrowserContext
) -> None:
    other = DataPageVisitor(context.new_page(), visitor.site)
    other.open()
    other.say("Anna is my name.")
    visitor.page.bring_to_front()
    visitor.choose(chosen("report.pdf"))
    visitor.expect_stored("report.pdf")
    visitor.say("My name is Anna.")
    before, code = visitor.uuid, visitor.support_code
    visitor.open_sheet()

    visitor.agree_to("Not you?")
    visitor.close_sheet()

    assert visitor.uuid != before
    for tab in (visitor, other):
        expect(tab.region).to_contain_text("No files yet.")
        expect(tab.said).not_to_contain_text("Anna")
        assert tab.support_code not in ("", code)
        assert code not in tab.page.content()
        kept = json.dumps(tab.remembered())
        assert [text for text in (before, code, "Anna") if text in kept] == []
    assert visitor.site.events(before)[-1] == "session.reset"
    visitor.page.reload()
    expect(visitor.region).to_contain_text("No files yet.")


def test_erasing_leaves_nothing_in_browser_or_server(visitor: DataPageVisitor) -> None:
    visitor.choose(chosen("report.pdf"))
    visitor.expect_stored("report.pdf")
    visitor.say("My name is Anna.")
    visitor.open_sheet()
    visitor.enter("Your e-mail address", ANNA, "Save")
    expect(visitor.sheet.get_by_role("button", name="Send a code to confirm it")).to_be_visible()
    erased = DataPageVisitor(visitor.page, visitor.site)
    uuid = visitor.uuid
    session = f"'{uuid.replace('-', '')}'"

    visitor.agree_to("Erase everything")

    expect(visitor.sheet).to_contain_text("There is no session in this browser.")
    visitor.close_sheet()
    expect(visitor.region).to_contain_text("No files yet.")
    expect(visitor.said).not_to_contain_text("Anna")
    assert {name: text for name, text in erased.remembered().items() if text} == {}
    rows = visitor.site.deployment.rows
    assert rows(f"SELECT status, email FROM sessions_app_usersession WHERE uuid = {session}") == [
        ("erased", "")
    ]
    assert rows(
        f"SELECT name, status FROM uploads_app_uploadedfile WHERE session_id = {session}"
    ) == [("", "deleted")]
    assert [name for name in visitor.site.deployment.files() if uuid in name] == [f"erased/{uuid}"]
    assert visitor.site.events(uuid)[-1] == "session.erased"
    visitor.page.reload()
    expect(visitor.region).to_contain_text("No files yet.")
    assert "session_uuid" not in visitor.remembered()


def test_a_recovery_code_restores_a_session_in_another_browser(
    visitor: DataPageVisitor, new_context: Callable[..., BrowserContext]
) -> None:
    visitor.choose(chosen("report.pdf", pdf("mine")))
    visitor.expect_stored("report.pdf")
    code = recovery_code(visitor)
    device = DataPageVisitor(new_context().new_page(), visitor.site)
    device.open()
    device.open_sheet()

    device.enter("Recovery code from support", "0000-0000-0000", "Bring my session back")
    expect(device.sheet.get_by_role("alert")).to_contain_text("Ask support for a new one")
    assert "session.recovered" not in device.site.events(visitor.uuid)
    device.enter("Recovery code from support", f" {code.lower()} ", "Bring my session back")

    device.expect_stored("report.pdf")
    assert device.uuid == visitor.uuid
    assert device.site.events(visitor.uuid).count("session.recovered") == 1
    device.page.reload()
    device.expect_stored("report.pdf")
    with device.page.expect_download() as begins:
        device.press("Download", "report.pdf")
    assert begins.value.path().read_bytes() == pdf("mine")
