"""`/admin/open/MAR-…` is the permanent address of a session, for links in ticket systems."""

from typing import Any
from urllib.parse import quote

from django.test import Client

from sessions_app.models import UserSession
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import Visitor, events

CODE = "MAR-7F0-K1Q-X9X"
SPELLINGS = (
    CODE, CODE.lower(), "7f0k1qx9x", "MAR 7F0 K1Q X9X", "mar-7fo-klq-x9x", "MAR-7FO-KIQ-X9X",
    "MAR.7F0.K1Q.X9X", "MAR–7F0–K1Q–X9X", f"\u202d{CODE}\u202c", f"{CODE}/", f" {CODE}",
)  # fmt: skip


def opened(client: Client, code: str) -> Any:
    return client.get(f"/admin/open/{quote(code)}")


def test_every_spelling_leads_to_the_page_of_the_session(visitor: Visitor, make_staff: Any) -> None:
    UserSession.objects.filter(pk=visitor.uuid).update(support_code=CODE)
    support = make_staff("Support")
    for spelling in SPELLINGS:
        answer = opened(support, spelling)
        assert (answer.status_code, answer["Location"]) == (302, page_of(visitor.row)), spelling
    assert "no-store" in answer["Cache-Control"]
    assert "staff.session_viewed" not in events()
    page = support.get(f"/admin/open/{CODE}", follow=True)
    assert CODE in shown_text(page.content.decode())
    assert events().count("staff.session_viewed") == 1
    visitor.end()
    assert opened(support, CODE)["Location"] == page_of(visitor.row)


def test_an_unknown_code_is_answered_404_and_says_what_to_do(
    visitor: Visitor, make_staff: Any
) -> None:
    UserSession.objects.filter(pk=visitor.uuid).update(support_code=CODE)
    support = make_staff("Support")
    before = events()
    for code in (
        "MAR-7F0-K1Q-X8Z",
        "MAR-7F0-K1Q-X9Z",
        visitor.uuid,
        "anne@mail.example",
        "<b>x</b>",
        "\0",
        "x" * 999,
    ):
        answer = opened(support, code)
        html = answer.content.decode()
        assert answer.status_code == 404, code
        assert "No session has the support code of this link." in shown_text(html)
        assert "Search for the code to see sessions with similar ones." in shown_text(html)
        assert inline_code(html) == []
        assert "<b>x" not in html
    assert 'name="q" value="MAR-7F0-K1Q-X9Z"' in opened(support, "MAR-7F0-K1Q-X9Z").content.decode()
    assert events() == before


def test_t64_the_address_needs_sign_in_and_the_permission_of_the_page(
    visitor: Visitor, make_staff: Any
) -> None:
    address = f"/admin/open/{visitor.row.support_code}"
    anonymous = Client().get(address)
    assert anonymous["Location"] == f"/admin/login/?next={address}"
    for role, status in (("", 403), ("Operator", 403), ("Auditor", 302), ("Support", 302)):
        staff = make_staff(role)
        assert staff.get(address).status_code == status, role
        unknown = 403 if status == 403 else 404
        assert staff.get("/admin/open/MAR-7F0-K1Q-X9Z").status_code == unknown, role
        assert staff.get(page_of(visitor.row)).status_code == (403 if status == 403 else 200), role
        assert staff.post(address).status_code == 405
