"""An event is stored and verifies, whatever bytes a request contains."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.db import transaction
from django.test import Client

from audit_app.canonical import commitment
from audit_app.models import AuditLog
from audit_app.services import Personal, record
from common import context
from common.context import RequestContext
from sessions_app import events as session_events
from tests.cases import cases
from tests.helpers import Visitor, events, pdf

BAD = {
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b",
    "surrogates the wrong way round": "\udfff\ud800",
    "1 MiB": "x" * 2**20,
    "1 MiB of astral text": "\U0001f980" * 2**18,
    "CR and LF": "a\r\nb\nc\rd",
    "ANSI escapes": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "line and paragraph separators": "a\u2028b\u2029c\x85d",
    "right to left": "\u202egpj.exe",
    "not a character": "\ufffe\uffff",
    "quotes and braces": '"}{\'\\",',
    "markup": "<script>alert(1)</script>",
    "percent": "%s %(x)s %00",
    "empty": "",
}
bad = cases("text", BAD.values(), ids=BAD.keys())


def verify(log: AuditLog) -> None:
    """Check that a row's text is one line of ASCII and commits to its personal part."""
    assert log.text.isascii()
    assert log.text.isprintable()
    part = log.personal
    assert json.loads(log.text)["personal"] == commitment(part.salt, part.values())


@bad
def test_t48_as_a_user_agent(db: None, text: str) -> None:
    visitor = Visitor(HTTP_USER_AGENT=text)
    assert visitor.start().status_code == 201
    log = AuditLog.objects.get(event_type="session.created")
    verify(log)
    assert len(log.personal.user_agent) == min(len(text), 512)


@pytest.mark.both
@bad
def test_t48_as_a_file_name(visitor: Visitor, text: str) -> None:
    boundary = "boundary"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{text}.pdf"\r\n'
        "Content-Type: application/pdf\r\n\r\n"
    ).encode("utf-8", "surrogatepass") + pdf() + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip
    response = visitor.generic(
        "POST",
        "/api/v1/uploads/",
        body,
        f"multipart/form-data; boundary={boundary}",
        **visitor.named,
    )
    assert response.status_code < 500, response.content
    written = events(visitor.uuid)[1:]
    expected = {
        "": ["upload.stored"],
        "type_not_allowed": ["upload.rejected"],
        "name_not_allowed": ["upload.rejected"],
    }
    assert written == expected.get(response.json().get("code", ""), [])
    for log in AuditLog.objects.all():
        verify(log)


@pytest.mark.both
@bad
def test_t48_as_any_value_of_an_event(db: None, text: str) -> None:
    request_context = RequestContext(
        "request-1", context.parse_address("203.0.113.1"), actor="visitor"
    )
    with context.using(request_context), transaction.atomic():
        log = record(
            session_events.REVOKED,
            target=text,
            personal=Personal(file_name=text, email=text),
            reason=text,
            lost_files=0,
        )
    log.refresh_from_db()
    verify(log)
    assert log.details["reason"] == text


def post_form(client: Client, path: str, **fields: str) -> Any:
    """POST a form as bytes that the test client does not build itself."""
    body = "&".join(
        f"{name}={quote_plus(text, errors='surrogatepass')}" for name, text in fields.items()
    )
    client.raise_request_exception = False
    return client.generic("POST", path, body, "application/x-www-form-urlencoded")


@bad
def test_t48_as_a_staff_name_and_password(db: None, settings: Any, text: str) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    response = post_form(Client(), "/admin/login/", username=text, password=text)
    # A form of more than 64 KiB is not read, and an impossible name is not looked up.
    assert response.status_code == (400 if len(text) > 2**17 else 200)
    assert events() in ([], ["staff.sign_in_failed"])
    for log in AuditLog.objects.all():
        assert log.details == {"repeated": 0}


@bad
def test_t48_as_a_reason_that_staff_give(visitor: Visitor, make_staff: Any, text: str) -> None:
    page = post_form(
        make_staff("Support"),
        f"/admin/sessions_app/usersession/{visitor.uuid}/revoke/",
        reason=text,
    )
    assert page.status_code in (200, 302, 400)
    revoked = page.status_code == 302
    assert events(visitor.uuid)[1:] == ["session.revoked"] * revoked
    assert visitor.current().status_code == (401 if revoked else 200)
    for log in AuditLog.objects.filter(session_uuid=visitor.uuid):
        verify(log)


@cases("login", ["root", "", "x" * 300, "a\x00b", "a\udc80b", "ü" * 150])
def test_t48_as_the_login_that_runs_a_command(
    db: None, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: login)
    with context.as_operator(), transaction.atomic():
        log = record(session_events.ENDED, lost_files=0)
    log.refresh_from_db()
    assert log.actor.startswith("operator:")
    assert log.actor == json.loads(log.text)["actor"]
