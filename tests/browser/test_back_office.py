"""Support in a real browser: search, reveal, transfer a file, issue a recovery code."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from sessions_app.uuid_helpers import CROCKFORD
from tests.browser.api import PageVisitor
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

_SUPPORT_CODE = """
from sessions_app.models import UserSession
answer = UserSession.objects.get(pk={uuid!r}).support_code
"""
_CONTACT = """
from sessions_app.models import UserSession
UserSession.objects.filter(pk={uuid!r}).update(name="Erika Muster", email="erika@example.org")
"""
_SEARCHES = """
from audit_app.models import AuditLog
answer = AuditLog.objects.filter(event_type="staff.searched").count()
"""


def support_code(site: Site, session_uuid: str) -> str:
    return str(site.run(_SUPPORT_CODE.format(uuid=session_uuid)))


def misheard(code: str) -> str:
    """Return a support code with one wrong symbol in the middle."""
    wrong = CROCKFORD[(CROCKFORD.index(code[6]) + 7) % len(CROCKFORD)]
    return f"{code[:6]}{wrong}{code[7:]}"


def test_a_code_with_one_wrong_symbol_leads_to_the_right_session(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = visitor.uuid
    code = support_code(visitor.site, uuid)
    back_office.find(misheard(code).lower().replace("-", " "))
    expect(back_office.page).to_have_url(re.compile(uuid))
    expect(back_office.page.get_by_role("heading", name=code)).to_be_visible()
    expect(back_office.said).to_contain_text("No session has the code that you typed.")


def test_back_forward_and_reload_return_to_the_results_of_a_search(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = visitor.uuid
    code = support_code(visitor.site, uuid)
    visitor.site.run(_CONTACT.format(uuid=uuid))
    page, recorded = back_office.page, visitor.site.run(_SEARCHES)

    def shows_results() -> None:
        expect(page).to_have_url(re.compile("/admin/find/[^/]+/$"))
        expect(page.locator("#search-here")).to_have_value("Erika Muster")
        expect(back_office.link(code)).to_be_visible()

    def shows_session() -> None:
        expect(page).to_have_url(re.compile(rf"{uuid}/change/(\?from=[\w-]+)?$"))
        expect(page.get_by_role("heading", name=code)).to_be_visible()

    back_office.find("Erika Muster")
    shows_results()
    page.reload()
    shows_results()
    back_office.link(code).click()
    shows_session()
    page.go_back()
    shows_results()
    page.go_forward()
    shows_session()
    page.go_back()
    page.reload()
    shows_results()
    back_office.find(code)
    shows_session()
    page.go_back()
    shows_results()
    page.go_back()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    assert visitor.site.run(_SEARCHES) == recorded + 1


def test_personal_values_are_revealed_for_a_reason(
    visitor: PageVisitor, back_office: BackOffice
) -> None:
    uuid = visitor.uuid
    visitor.site.run(_CONTACT.format(uuid=uuid))
    back_office.open_session(uuid)
    expect(back_office.content).to_contain_text("e•••@e•••")
    expect(back_office.content).not_to_contain_text("erika@example.org")
    back_office.choose("Reveal")
    # The keyboard passes over reasons; a click on one reveals at once.
    reasons = back_office.page.get_by_role("radio")
    reasons.first.focus()
    back_office.page.keyboard.press("ArrowDown")
    back_office.page.keyboard.press("ArrowUp")
    expect(back_office.page.get_by_role("dialog")).to_be_visible()
    expect(back_office.content).not_to_contain_text("erika@example.org")
    back_office.page.get_by_text("To compare with what the caller says").click()
    expect(back_office.content).to_contain_text("erika@example.org")
    revealed = [e for e in visitor.site.audit(uuid) if e["event_type"].endswith("data_revealed")]
    assert [event["details"]["reason"] for event in revealed] == [
        "To compare with what the caller says"
    ]


def test_staff_transfer_a_file_to_the_current_session_of_its_visitor(
    visit: Visit, back_office: BackOffice
) -> None:
    visit.open()
    old = visit.begin()
    visit.upload(pdf("keep me"), "contract.pdf")
    visit.site.revoke(old)
    visit.page.context.clear_cookies()
    visit.page.evaluate("localStorage.clear()")
    visit.reload()
    new = visit.begin()
    assert new != old
    expect(visit.file("contract.pdf")).to_have_count(0)

    back_office.open_session(old)
    back_office.link(re.compile(r"^Files \d")).click()
    back_office.page.get_by_label("Actions of this file").click()
    back_office.content.get_by_role("link", name=re.compile("^Transfer to the visitor")).click()
    back_office.page.get_by_role("textbox", name=re.compile("support code", re.I)).fill(
        support_code(visit.site, new)
    )
    back_office.page.get_by_role("button", name="Continue").click()
    expect(back_office.content).to_contain_text("Nothing links")
    back_office.page.get_by_label(re.compile("^I have verified")).check()
    back_office.page.get_by_label("The visitor changed the device or browser").check()
    back_office.page.get_by_role("button", name="Transfer the file to this session").click()
    expect(back_office.said).to_contain_text(support_code(visit.site, new))

    visit.reload()
    expect(visit.file("contract.pdf")).to_contain_text("Stored")
    assert "upload.restored" in visit.site.events(old)
    assert "upload.restored" in visit.site.events(new)


def test_a_recovery_code_brings_a_visitor_without_cookie_back(
    visit: Visit, back_office: BackOffice
) -> None:
    visit.open()
    uuid = visit.begin()
    visit.upload(pdf("mine"), "mine.pdf")
    visit.page.context.clear_cookies()
    visit.page.evaluate("localStorage.clear()")

    back_office.find(support_code(visit.site, uuid))
    back_office.do("Issue a recovery code", "Issue a recovery code")
    shown = back_office.content.inner_text()
    code = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", shown)
    assert code is not None, shown

    visit.reload()
    visit.button("Your data").click()
    visit.page.get_by_label("Recovery code from support").fill(code[0])
    visit.button("Bring my session back").click()
    visit.expect_uuid(uuid)
    expect(visit.file("mine.pdf")).to_contain_text("Stored")


def test_an_auditor_sees_who_viewed_and_can_change_nothing(
    visitor: PageVisitor, back_office: BackOffice, new_context: Callable[..., BrowserContext]
) -> None:
    uuid = visitor.uuid
    back_office.open_session(uuid)
    auditor = BackOffice(new_context().new_page(), visitor.site).sign_in("Auditor")
    auditor.open_session(uuid)
    auditor.link("Staff").click()
    expect(auditor.content).to_contain_text("staff.session_viewed")
    expect(auditor.content).to_contain_text("support (Support) viewed this session")
    for title in ("Revoke…", "Extend…", "Issue a recovery code…", "Reveal…"):
        hidden_too = auditor.content.get_by_role("link", name=title, include_hidden=True)
        expect(hidden_too).to_have_count(0)
    before = visitor.site.events(uuid)
    for action in ("revoke", "extend", "recover", "reveal", "erase"):
        answer = auditor.page.goto(
            f"{visitor.site.url}/admin/sessions_app/usersession/{uuid}/{action}/"
        )
        assert answer is not None
        assert answer.status == 403, action
    assert visitor.site.events(uuid) == before
