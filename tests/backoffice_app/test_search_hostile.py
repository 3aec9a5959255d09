"""Whatever is typed into the search box is answered with a page, and shown as text."""

from typing import Any

import pytest
from django.test import Client

from sessions_app.models import UserSession
from tests.backoffice_app.pages import inline_code, shown_text
from tests.backoffice_app.search_box import FIND
from tests.helpers import started

TERMS = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)> autofocus',
    "template": "{{ 7|add:7 }}{% debug %}",
    "NUL": "a\0b",
    "only NUL": "\0",
    "turned around": "\u202efdp.exe\u2066\u200f",
    "wildcards": "%_\\",
    "quotes": "'; DROP TABLE sessions_app_usersession; --",
    "crab": "🦀\u0301\ufffd",
    "last character": "\U0010ffff",
    "numbers": "٣٤٥٦٧٨٩٠١",
    "full width": "ＭＡＲ－７Ｆ３－Ｋ２Ｑ－Ｘ９Ｃ",
    "an address that is none": "999.1.1.1",
    "a zone": "fe80::1%<b>",
    "braces": "{{{{",
    "at signs": "@@@",
    "key": "uploads/../../etc/passwd\0",
    "almost a UUID": "0123456789abcdef0123456789abcdeg",
    "capitals of two": "ßßßß ŉ İı",
    "sharp": "ﬃ" * 90,
    "long": "x" * 10_000,
    "long code": "MAR-" + "7" * 9_000,
    "long and hidden": "\u200b" * 400 + "x",
    "nothing": " \t\u200b ",
}


@pytest.mark.both
def test_t66_a_hostile_term_is_answered_with_a_page(db: None, make_staff: Any) -> None:
    support = make_staff("Support")
    for kind, term in TERMS.items():
        page = support.post(FIND, {"q": term}, follow=True)
        html = page.content.decode()
        assert page.status_code == 200, kind
        assert inline_code(html) == [], kind
        assert "Search sessions, files and events" in shown_text(html), kind
        if "<" in term:
            assert term not in html


def test_t66_bytes_that_are_no_text(db: None, make_staff: Any) -> None:
    support = make_staff("Support")
    for body in (
        b"q=%ED%A0%80%FF%FE",
        b"q=\xff\xfe",
        b"q",
        b"",
        b"q=a&q=%00",
        b"q=" + b"%F0%9F" * 99,
    ):
        page = support.post(FIND, body, "application/x-www-form-urlencoded", follow=True)
        assert page.status_code == 200, body
    for body in (b"q=" + b"x" * 100_000, b"q=1&" * 300):
        page = support.post(FIND, body, "application/x-www-form-urlencoded")
        assert page.status_code in (400, 413), body[:9]
    for query in ("q=%00", "q=%ff", "q=" + "x" * 10_000, "q[]=1", "x=1"):
        assert support.get(f"{FIND}?{query}").status_code in (200, 400), query
    for key in ("x", "%00", "%ff", "k" * 2_000, "..%2f", "<b>"):
        assert support.get(f"{FIND}{key}/").status_code in (404, 410), key
    for method in ("put", "delete", "patch", "head", "options"):
        assert getattr(support, method)(FIND).status_code in (200, 400, 403, 405), method


def test_t66_results_are_escaped(db: None, make_staff: Any) -> None:
    session = started().row
    support: Client = make_staff("Support")
    for name in ("<b>x</b>", "{{ 7|add:7 }}", "\u202egnp.exe", '" autofocus x="'):
        UserSession.objects.filter(pk=session.pk).update(name=name, email=f"{name}@mail.example")
        for term in (name, session.support_code):
            html = support.post(FIND, {"q": term}, follow=True).content.decode()
            assert inline_code(html) == []
            assert "<b>x" not in html
            assert "\u202e" not in html
