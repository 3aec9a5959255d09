"""Whatever a row holds, each admin page answers, shows it as text, and runs nothing inline."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from audit_app import context
from audit_app.context import RequestContext
from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.admin.pages import (
    inline_code,
    list_of,
    one_of_each,
    page_of,
    registered,
    shown_text,
)
from tests.helpers import Visitor, started, uploaded

# What is said here is the same on every database.

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</td></table><style>*{display:none}</style>",
    "javascript:alert(1)",
    "{{ 7|add:7 }}{% debug %}",
    "&lt;script&gt;&amp;#x3c;",
    "\u202efdp.exe\u2066\u200f",
    "\x1b[31m\r\n\ttext",
    "\U0001f980\u0301\ufffd" * 20,
    "%s%n%(x)s",
]


def check(client: Client, url: str) -> str:
    """Return a page after checking that it answers and holds no inline code."""
    page = client.get(url)
    assert page.status_code == 200, url
    html = page.content.decode()
    assert inline_code(html) == [], url
    policy = page["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "object-src 'none'" in policy
    assert "unsafe" not in policy
    assert page["X-Frame-Options"] == "DENY"
    assert page["X-Content-Type-Options"] == "nosniff"
    return html


@pytest.mark.parametrize("text", HOSTILE)
def test_t66_every_list_and_page_shows_it_as_text(db: None, make_staff: Any, text: str) -> None:
    rows = one_of_each(text)
    superuser = make_staff(is_superuser=True)
    superuser.user.first_name = text
    superuser.user.save()
    rows += [superuser.user, Group.objects.create(name=text)]
    assert {type(row) for row in rows} == set(registered())
    for row in rows:
        for url in (list_of(type(row)), page_of(row), page_of(row, "history")):
            html = check(superuser, url)
            if "<" in text:
                assert text not in html
        check(superuser, f"{list_of(type(row))}?q=x")
    if text == HOSTILE[0]:
        assert "&lt;script&gt;alert(1)" in check(superuser, page_of(rows[0]))


@pytest.mark.parametrize("text", HOSTILE)
def test_t66_what_a_visitor_sends_is_shown_as_text(db: None, make_staff: Any, text: str) -> None:
    sent = re.sub("[\r\n]", " ", text)
    visitor = Visitor(HTTP_USER_AGENT=sent)
    visitor.start()
    uploaded(visitor, name=f"{sent.replace('/', '')}.pdf")
    visitor.upload(b"no pdf", name=f"{sent}.pdf")
    superuser = make_staff(is_superuser=True)
    check(superuser, page_of(visitor.row))
    for log in AuditLog.objects.all():
        html = check(superuser, page_of(log))
        if "<" in text:
            assert text not in html


@pytest.mark.parametrize("text", HOSTILE[:4])
def test_t66_what_a_colleague_writes_is_shown_as_text(
    visitor: Visitor, make_staff: Any, text: str
) -> None:
    support = make_staff("Support")
    support.post(page_of(visitor.row, "revoke"), {"reason": text})
    assert visitor.row.end_reason == text
    html = check(support, page_of(visitor.row))
    assert text not in html
    assert " ".join(text.split()) in shown_text(html)


@pytest.mark.parametrize("text", HOSTILE)
def test_t66_a_search_for_it_is_shown_as_text(db: None, make_staff: Any, text: str) -> None:
    superuser = make_staff(is_superuser=True)
    one_of_each()
    for model in registered():
        page = superuser.get(list_of(model), {"q": text})
        assert page.status_code == 200
        assert inline_code(page.content.decode()) == []
        if "<" in text:
            assert text not in page.content.decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_t66_a_reason_is_asked_for_again_as_text(
    visitor: Visitor, make_staff: Any, text: str
) -> None:
    page = make_staff("Support").post(page_of(visitor.row, "revoke"), {"reason": text * 201})
    assert page.status_code == 200
    assert inline_code(page.content.decode()) == []
    assert visitor.current().status_code == 200


def test_t66_pages_outside_the_models_hold_no_inline_code_either(
    visitor: Visitor, make_staff: Any
) -> None:
    superuser = make_staff(is_superuser=True)
    for url in (
        "/admin/", "/admin/sessions_app/", "/admin/password_change/",
        page_of(visitor.row, "revoke"), list_of(User, "add"),
    ):  # fmt: skip
        check(superuser, url)
    check(Client(), "/admin/login/")
    check(Client(), "/")


@pytest.mark.parametrize(
    "query",
    ["o=9", "o=-1.x", "p=x", "p=99999", "status__exact=<script>", "all=",
     "occurred_at__year=x", "created_at__gte=x", "no_such_field=1", "_facets=True", "e=1",
     "status__exact=%00", "q=%00"],
)  # fmt: skip
def test_an_odd_address_of_a_list_is_no_error(
    visitor: Visitor, make_staff: Any, query: str
) -> None:
    superuser = make_staff(is_superuser=True)
    superuser.raise_request_exception = False
    for model in (UserSession, AuditLog):
        page = superuser.get(f"{list_of(model)}?{query}")
        assert page.status_code in (200, 302, 400), (page.status_code, query)


def test_an_event_with_an_unknown_actor_is_shown(db: None, make_staff: Any) -> None:
    with context.using(RequestContext(actor="service:<b>agent</b>")):
        visitor = started()
    assert visitor.row
    check(make_staff("Auditor"), list_of(AuditLog))
