"""Hostile values: each admin page answers, escapes them, and has no inline code."""

import re
from collections import Counter
from itertools import product
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db.models import Model
from django.test import Client

from audit_app.models import AuditLog
from common import context
from common.context import RequestContext
from sessions_app.models import UserSession
from tests.backoffice_app.pages import (
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
MARKUP = [text for text in HOSTILE if "<" in text]


def check(client: Client, url: str) -> str:
    """Return a page; check that it answers and has no inline code."""
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


def words(text: str) -> str:
    """Return a text with white space normalized as in `shown_text`."""
    return " ".join(text.split())


def shows_as_text(client: Client, url: str) -> str:
    """Check that no hostile string is markup in a page; return its visible text."""
    html = check(client, url)
    for text in MARKUP:
        assert text not in html, url
    return shown_text(html)


def test_t66_every_list_and_page_escapes_values(db: None, make_staff: Any) -> None:
    superuser = make_staff(is_superuser=True)
    # All strings in one value, each at the start of a value where pages truncate, and one in a URL.
    values = [" ".join(HOSTILE), " ".join(reversed(HOSTILE)), "javascript:alert(1)"]
    rows: list[Model] = []
    for number, text in enumerate(values):
        rows += one_of_each(text, number)
        user = User.objects.create_user(f"colleague-{number}", first_name=text)
        rows += [user, Group.objects.create(name=text)]
    assert {type(row) for row in rows} == set(registered())
    shown = [
        *(shows_as_text(superuser, list_of(model)) for model in registered()),
        *(shows_as_text(superuser, f"{list_of(model)}?q=x") for model in registered()),
        *(shows_as_text(superuser, page_of(row)) for row in rows),
        *(shows_as_text(superuser, page_of(row, "history")) for row in rows),
    ]
    for text in HOSTILE:
        assert any(words(text) in page for page in shown), text
    assert "&lt;script&gt;alert(1)" in check(superuser, page_of(rows[0]))


def test_t66_visitor_values_are_escaped(db: None, make_staff: Any, settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = len(HOSTILE)
    visitor = started()
    for text in HOSTILE:
        cache.clear()  # only so many uploads a minute
        sent = re.sub("[\r\n]", " ", text)
        visitor.defaults["HTTP_USER_AGENT"] = sent
        uploaded(visitor, name=f"{sent.replace('/', '')}.pdf")
        visitor.upload(b"no pdf", name=f"{sent}.pdf")
    logged = AuditLog.objects.filter(session_uuid=visitor.uuid)
    kinds = Counter(logged.values_list("event_type", flat=True))
    assert kinds == {
        "session.created": 1, "upload.stored": len(HOSTILE), "upload.rejected": len(HOSTILE),
    }  # fmt: skip
    superuser = make_staff(is_superuser=True)
    shows_as_text(superuser, page_of(visitor.row))
    for log in logged:
        shows_as_text(superuser, page_of(log))


def test_t66_staff_values_are_escaped(db: None, make_staff: Any) -> None:
    support = make_staff("Support")
    for text in HOSTILE[:4]:
        visitor = started()
        support.post(page_of(visitor.row, "revoke"), {"reason": text})
        assert visitor.row.end_reason == text
        assert words(text) in shows_as_text(support, page_of(visitor.row))


def test_t66_search_terms_are_escaped(db: None, make_staff: Any) -> None:
    superuser = make_staff(is_superuser=True)
    one_of_each()
    searches: list[tuple[type[Model], str]] = [
        *((model, " ".join(HOSTILE)) for model in registered()),
        *((UserSession, text) for text in HOSTILE),
    ]
    for model, text in searches:
        page = superuser.get(list_of(model), {"q": text})
        assert page.status_code == 200
        html = page.content.decode()
        assert inline_code(html) == []
        for markup in MARKUP:
            assert markup not in html, (model, text)


def test_t66_a_redisplayed_reason_is_escaped(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for text in HOSTILE:
        page = support.post(page_of(visitor.row, "revoke"), {"reason": text * 201})
        assert page.status_code == 200, text
        html = page.content.decode()
        assert inline_code(html) == [], text
        if text in MARKUP:
            assert text not in html
    assert visitor.current().status_code == 200


def test_t66_other_pages_have_no_inline_code(visitor: Visitor, make_staff: Any) -> None:
    superuser = make_staff(is_superuser=True)
    for url in (
        "/admin/", "/admin/sessions_app/", "/admin/password_change/",
        page_of(visitor.row, "revoke"), list_of(User, "add"),
    ):  # fmt: skip
        check(superuser, url)
    check(Client(), "/admin/login/")
    check(Client(), "/")


ODD_QUERIES = (
    "o=9", "o=-1.x", "p=x", "p=99999", "status__exact=<script>", "all=",
    "occurred_at__year=x", "created_at__gte=x", "no_such_field=1", "_facets=True", "e=1",
    "status__exact=%00", "q=%00",
)  # fmt: skip


def test_invalid_list_parameters_are_not_an_error(visitor: Visitor, make_staff: Any) -> None:
    superuser = make_staff(is_superuser=True)
    superuser.raise_request_exception = False
    for model, query in product((UserSession, AuditLog), ODD_QUERIES):
        page = superuser.get(f"{list_of(model)}?{query}")
        assert page.status_code in (200, 302, 400), (page.status_code, query)


def test_an_event_with_an_unknown_actor_is_shown(db: None, make_staff: Any) -> None:
    with context.using(RequestContext(actor="service:<b>agent</b>")):
        visitor = started()
    assert visitor.row
    check(make_staff("Auditor"), list_of(AuditLog))
