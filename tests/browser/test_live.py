"""Open pages of the back office renew themselves, and disturb nobody who works on them.

The tests move the clock of the page, so none waits for a poll.
"""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from tests.browser.api import PageVisitor
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = pytest.mark.slow

# Longer than the interval of a page that was answered.
INTERVAL = timedelta(seconds=5)
_QUARANTINED = """
from uploads_app.models import UploadedFile
from uploads_app.services.inspection import quarantine_upload
quarantine_upload(upload=UploadedFile.objects.get(pk={pk!r}), reason="looks odd")
"""
_RESTORED = """
from uploads_app.models import UploadedFile
from uploads_app.services.inspection import restore_upload
restore_upload(upload=UploadedFile.objects.get(pk={pk!r}), reason="it is harmless")
"""
_CLEANUP_STOPPED = """
from datetime import timedelta
from django.utils import timezone
from uploads_app.models import CleanupRun
CleanupRun.objects.create(
    status="stopped", stop_code="marker_missing", stop_sentence="The marker is missing.",
    actor="system", grace=timedelta(minutes=30), limit=1, finished_at=timezone.now(),
)
"""
_CLEANUP_COMPLETED = """
from datetime import timedelta
from django.utils import timezone
from uploads_app.models import CleanupRun
CleanupRun.objects.create(
    status="completed", actor="system", grace=timedelta(minutes=30), limit=1,
    finished_at=timezone.now(),
)
"""
_NAMED = """
from sessions_app.models import UserSession
UserSession.objects.filter(pk={uuid!r}).update(name="Erika Muster")
"""
PASSWORD = "correct horse battery staple"
_PASSWORD = """
from django.contrib.auth.models import User
user = User.objects.get(username={name!r})
user.set_password({password!r})
user.save()
"""
_SIGNED_OUT = """
from django.contrib.auth.models import User
from backoffice_app.accounts.sessions import end_sessions
end_sessions(User.objects.get(username={name!r}))
"""


@pytest.fixture
def visitor(page: Page, site: Site) -> PageVisitor:
    """A visitor with a session."""
    visitor = PageVisitor(page, site)
    visitor.start()
    return visitor


@pytest.fixture
def agent(back_office: BackOffice) -> BackOffice:
    """A staff member whose pages have a clock that the test moves."""
    back_office.page.clock.install()
    return back_office


def pass_time(agent: BackOffice, time: timedelta = INTERVAL) -> None:
    agent.page.clock.run_for(time // timedelta(milliseconds=1))


def polls(page: Page) -> list[Request]:
    """Return a list that gets each later poll of a page."""
    seen: list[Request] = []

    def note(request: Request) -> None:
        if "/live/" in request.url:
            seen.append(request)

    page.on("request", note)
    return seen


def test_a_visitors_event_and_a_restored_file_appear_on_the_open_page(
    visitor: PageVisitor, agent: BackOffice
) -> None:
    upload = visitor.upload(pdf("first"), "first.pdf")
    visitor.site.run(_QUARANTINED.format(pk=upload))
    agent.open_session(visitor.uuid)
    agent.page.locator(".tabs").get_by_role("link", name="Files").click()
    row = agent.page.locator(f"#row-{upload}")
    expect(row).to_contain_text("Quarantined")
    link = row.get_by_role("link").first
    link.focus()

    visitor.upload(pdf("second"), "second.pdf")
    pass_time(agent)
    expect(agent.page.locator("#files .file")).to_have_count(2)
    expect(agent.page.locator("#tab-count")).to_have_text("2")
    expect(agent.page.locator("#timeline")).to_contain_text("s•••.pdf")
    expect(link).to_be_focused()

    visitor.site.run(_RESTORED.format(pk=upload))
    pass_time(agent)
    expect(row).to_contain_text("Stored")
    expect(link).to_be_focused()


def test_an_alert_appears_on_every_open_page(
    visitor: PageVisitor, agent: BackOffice, new_context: Callable[..., BrowserContext]
) -> None:
    visitor.site.run(_CLEANUP_COMPLETED)
    other = BackOffice(new_context().new_page(), visitor.site).sign_in("Auditor")
    other.page.clock.install()
    for one, path in ((agent, ""), (other, f"sessions_app/usersession/{visitor.uuid}/change/")):
        with one.page.expect_response(re.compile("/attention/")):
            one.open(path)
    expect(agent.content).not_to_contain_text("The marker is missing.")
    visitor.site.run(_CLEANUP_STOPPED)
    for one in (agent, other):
        pass_time(one)
        badge = one.page.locator("#attention")
        expect(badge.locator("[title*='The marker is missing.']")).to_be_visible()
        expect(one.page.locator("#toasts")).to_contain_text("The marker is missing.")
    expect(agent.content).to_contain_text("Cleanup stopped: The marker is missing.")
    visitor.site.run(_CLEANUP_COMPLETED)


def test_typed_text_survives_renewals_and_a_sign_out_elsewhere(
    visitor: PageVisitor, agent: BackOffice
) -> None:
    visitor.site.run(_NAMED.format(uuid=visitor.uuid))
    agent.open_session(visitor.uuid)
    agent.do("Reveal", "Show them for 15 minutes")
    expect(agent.content).to_contain_text("Erika Muster")
    agent.choose("Revoke")
    reason = agent.page.get_by_role("textbox", name=re.compile("reason|your words", re.I))
    reason.fill("the visitor called")
    visitor.upload(pdf())
    pass_time(agent)
    expect(agent.page.locator("#files .file")).to_have_count(1)
    expect(reason).to_be_focused()
    expect(reason).to_have_value("the visitor called")
    notice = agent.page.locator("#signed-out")
    expect(notice).to_be_hidden()

    visitor.site.run(_SIGNED_OUT.format(name="support"))
    pass_time(agent)
    expect(notice).to_contain_text("You were signed out.")
    expect(notice.get_by_role("link")).to_have_attribute("href", re.compile("/admin/login/"))
    expect(agent.page.locator("body")).not_to_contain_text("Erika Muster")
    expect(agent.content).to_contain_text("Sign in again and reload the page")
    expect(reason).to_have_value("the visitor called")
    expect(reason).to_be_focused()

    # Signing in again in another tab is enough: what was typed can be sent.
    sign_in_by_the_link(notice, visitor.site)
    _set_hidden(agent.page, hidden=False)
    expect(notice).to_be_hidden()
    agent.page.get_by_role("button", name="Revoke").click()
    expect(agent.said).to_contain_text("revoked")
    assert "session.revoked" in visitor.site.events(visitor.uuid)


@pytest.mark.parametrize("by", ["visitor", "support"])
def test_a_session_that_ends_while_its_page_is_open(
    visitor: PageVisitor, agent: BackOffice, by: str
) -> None:
    agent.open_session(visitor.uuid)
    agent.choose("Extend")
    words = agent.page.get_by_role("textbox", name=re.compile("your words"))
    words.fill("the case is open")
    if by == "visitor":
        assert visitor.call("DELETE", "sessions/current/")[0] < 300
    else:
        tab = BackOffice(agent.page.context.new_page(), visitor.site)
        tab.open_session(visitor.uuid)
        tab.do("Revoke", "Revoke this session")
        tab.page.close()

    pass_time(agent)
    card = agent.page.locator("#card")
    expect(card).to_contain_text("Revoked" if by == "support" else "Ended")
    expect(card.locator("a", has_text="Revoke…")).to_have_count(0)
    expect(words).to_have_value("the case is open")
    agent.follow(agent.page.get_by_role("button", name="Extend this session"))
    expect(agent.said).to_contain_text("This action is no longer possible.")
    expect(words).to_have_value("the case is open")
    expect(agent.page.get_by_role("button", name="Extend this session")).to_have_count(0)
    agent.follow(agent.link("Go back"))
    expect(card.get_by_role("link", name="Erase…")).to_be_visible()
    assert "session.extended" not in visitor.site.events(visitor.uuid)


def sign_in_by_the_link(notice: Locator, site: Site) -> None:
    site.run(_PASSWORD.format(name="support", password=PASSWORD))
    with notice.page.context.expect_page() as opened:
        notice.get_by_role("link").click()
    tab = opened.value
    tab.get_by_label("Username").fill("support")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    expect(tab).to_have_url(re.compile("/change/$"))
    tab.close()


def test_a_hidden_tab_does_not_poll(visitor: PageVisitor, agent: BackOffice) -> None:
    agent.open_session(visitor.uuid)
    seen = polls(agent.page)
    _set_hidden(agent.page, hidden=True)
    pass_time(agent, timedelta(minutes=10))
    assert seen == []
    visitor.upload(pdf())
    with agent.page.expect_response(re.compile("/live/")):
        _set_hidden(agent.page, hidden=False)
    expect(agent.page.locator("#files .file")).to_have_count(1)


def _set_hidden(page: Page, *, hidden: bool) -> None:
    """Let a page believe that its tab is hidden: a headless browser has no window to cover."""
    page.evaluate(
        "(hidden) => {"
        "Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_two_agents_on_a_session_see_each_other(
    visitor: PageVisitor, agent: BackOffice, new_context: Callable[..., BrowserContext]
) -> None:
    other = BackOffice(new_context().new_page(), visitor.site).sign_in("Auditor")
    agent.open_session(visitor.uuid)
    shown = agent.page.locator("#presence")
    expect(shown).to_have_text("")
    other.open_session(visitor.uuid)
    expect(other.page.locator("#presence")).to_have_text("support is viewing this session.")
    pass_time(agent)
    expect(shown).to_have_text("auditor is viewing this session.")
