"""Contact data and consent: set, changed, removed; each change is one event."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import Consent, RetiredToken, UserSession
from tests.cases import cases
from tests.helpers import Visitor, age_session, code, events
from tests.sessions_app.people import ANNA, CURRENT, details, identify

MINUTE = timedelta(minutes=1)
NEW_TOKEN = ["session.identified", "session.token_rotated"]


def since_created(visitor: Visitor) -> list[str]:
    """Return the session's events after `session.created`."""
    first, *later = events(visitor.uuid)
    assert first == "session.created"
    return later


def columns() -> dict[str, Any]:
    """Return the only session's row."""
    (row,) = UserSession.objects.values()
    return dict(row)


def completed(visitor: Visitor, ago: timedelta = timedelta(0)) -> UserSession:
    """Mark a session's e-mail address as proven."""
    session = visitor.row
    session.email_proven, session.completed_at = True, timezone.now() - ago
    session.used_at = session.used_at or session.completed_at
    session.expires_at = session.expiry(session.completed_at)
    session.save()
    return session


def test_contact_data_is_stored_and_returned(visitor: Visitor) -> None:
    before = visitor.token

    response = identify(visitor, **ANNA)

    assert response.status_code == 200
    body = response.json()
    assert (body["name"], body["email"], body["identity"]) == (*ANNA.values(), "identified")
    assert "token" not in body
    assert visitor.current().json() | {"last_seen_at": ""} == body | {"last_seen_at": ""}
    assert (visitor.row.name, visitor.row.email) == tuple(ANNA.values())
    assert visitor.token != before
    assert since_created(visitor) == NEW_TOKEN
    assert details("session.identified") == [{"fields": "email,name"}]
    assert details("session.token_rotated") == [{"reason": "contact_data"}]


def test_t50_the_event_stores_the_address_apart_and_no_name(visitor: Visitor) -> None:
    identify(visitor, **ANNA)

    log = AuditLog.objects.get(event_type="session.identified")
    assert log.personal.values().keys() == {"address", "email"}
    assert log.personal.email == ANNA["email"]
    texts = "".join(AuditLog.objects.values_list("text", flat=True))
    assert "anna" not in texts.lower()


def test_a_bearer_client_gets_its_new_token_in_the_answer(db: None) -> None:
    client = Visitor()
    begun = client.post(
        "/api/v1/sessions/", {"credential": "bearer"}, content_type="application/json"
    )
    token = begun.json()["token"]

    response = client.patch(
        CURRENT, ANNA, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )

    assert response.status_code == 200
    assert response.json()["token"] != token
    assert not response.cookies
    renewed = {"Authorization": f"Bearer {response.json()['token']}"}
    assert client.current(headers=renewed).json()["email"] == ANNA["email"]


def test_the_same_again_changes_nothing(visitor: Visitor) -> None:
    consent = {"contact": {"granted": True, "version": "2026-01"}}
    identify(visitor, **ANNA, consent=consent)
    before, row, written = visitor.token, columns(), events()

    response = identify(visitor, **ANNA, consent=consent)

    assert response.status_code == 200
    assert not response.cookies
    assert visitor.token == before
    assert events() == written
    after = columns()
    # Only the first use of the new token is recorded.
    assert {name for name in row if row[name] != after[name]} <= {"token_used_at"}


@pytest.mark.parametrize("body", [{}, {"consent": {}}, {"status": "ended", "uuid": "x"}])
def test_t18_unknown_fields_change_nothing(visitor: Visitor, body: dict[str, Any]) -> None:
    before = UserSession.objects.values().get()

    assert identify(visitor, **body).status_code == 200

    assert UserSession.objects.values().get() == before
    assert since_created(visitor) == []


def test_t18_no_other_column_can_be_set(visitor: Visitor) -> None:
    columns = [field.attname for field in UserSession._meta.concrete_fields]
    hostile = {name: "2020-01-01T00:00:00Z" for name in columns if name not in ("name", "email")}
    before = UserSession.objects.values().get()

    assert identify(visitor, **hostile, identity="completed", is_staff=True).status_code == 200

    assert UserSession.objects.values().get() == before


def test_an_empty_text_removes_the_value_without_a_rotation(visitor: Visitor) -> None:
    identify(visitor, **ANNA)
    token = visitor.token

    response = identify(visitor, name="", email="")

    assert (response.status_code, response.json()["identity"]) == (200, "anonymous")
    assert (visitor.row.name, visitor.row.email) == ("", "")
    assert visitor.token == token
    assert since_created(visitor) == [*NEW_TOKEN, "session.identified"]
    assert "email" not in AuditLog.objects.first().personal.values()  # type: ignore[union-attr]


def test_one_field_leaves_the_other_alone(visitor: Visitor) -> None:
    identify(visitor, **ANNA)
    identify(visitor, name="Berta")
    assert (visitor.row.name, visitor.row.email) == ("Berta", ANNA["email"])
    assert details("session.identified")[-1] == {"fields": "name"}


@cases(
    ("given", "kept"),
    [
        ("  Anna  ", "Anna"),
        ("An\u0007na\u001b[31m", "Anna[31m"),
        ("Anna\u202etrebA", "AnnatrebA"),
        ("Anna\r\nBcc: eve@example.com", "AnnaBcc: eve@example.com"),
        ("e\u0301", "é"),
        ("\u200b\u2066", ""),
        ("\u2800\u3164\u200d", ""),
        ("مهدی\u200cزاده", "مهدی\u200cزاده"),
        ("श्री\u200dमान", "श्री\u200dमान"),
        ("Anna \U0001fae8", "Anna \U0001fae8"),
        ("x" * 200, "x" * 200),
        ("\U0001f600" * 200, "\U0001f600" * 200),
        ("<b>&amp;", "<b>&amp;"),
    ],
    ids=[
        "spaces",
        "control",
        "rlo",
        "lines",
        "nfc",
        "hidden",
        "blank",
        "zwnj",
        "zwj",
        "new",
        "200",
        "200 wide",
        "markup",
    ],
)
def test_t101_a_name_is_stored_without_hidden_characters(
    visitor: Visitor, given: str, kept: str
) -> None:
    assert identify(visitor, name=given).json()["name"] == kept
    assert visitor.row.name == kept


# NFC writes U+FB2C as three characters: the limit applies to the result.
@pytest.mark.parametrize("name", ["x" * 201, "\ufb2c" * 67], ids=["201", "201 when shown"])
def test_a_name_that_is_too_long_is_refused(visitor: Visitor, name: str) -> None:
    assert_refused(visitor, identify(visitor, name=name, email=ANNA["email"]), "name")


ADDRESSES = {
    "no at": "anna",
    "no domain": "anna@",
    "two": "a@example.com,b@example.com",
    "named": "Anna <a@example.com>",
    "space": "a b@example.com",
    "local part": "ä@example.com",
    "dots": "a..b@example.com",
    "255": f"a@{'b' * 61}.{'c' * 61}.{'d' * 61}.{'e' * 61}.abcdefgh"[:255] + ".com",
    "domain with a joiner": "anna@نامه\u200cای.com",
    "domain with a variation selector": "anna@exa\ufe0fmple.com",
    "label too long in ASCII": f"a@{'ü' * 63}.de",
    "longer in small letters": f"a@{'.'.join(['İ' * 28] * 6)}.com",
    "Bcc by LF": "a@example.com\nBcc: eve@example.com",
    "Bcc by CRLF": "a@example.com\r\nBcc: eve@example.com",
    "number": 7,
    "list": ["a@example.com"],
    "null": None,
}


@cases("email", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_an_invalid_address_is_refused(visitor: Visitor, email: Any) -> None:
    assert_refused(visitor, identify(visitor, name="Anna", email=email), "email")


@cases(
    ("given", "kept"),
    [
        ("  anna@EXAMPLE.com ", "anna@example.com"),
        ("Anna.B+tag@example.com", "Anna.B+tag@example.com"),
        ("anna@exa\u200bmple.com\u202e", "anna@example.com"),
        ("anna@MÜLLER.example", "anna@müller.example"),
        ('"a\u000c\u000cBcc:eve@b.example"@example.com', '"aBcc:eve@b.example"@example.com'),
        ('"a\u001cb"@example.com', '"ab"@example.com'),
        ('"a\nBcc:eve"@example.com', '"aBcc:eve"@example.com'),
    ],
    ids=["case", "tag", "hidden", "idn", "form feed", "separator", "line"],
)
def test_an_address_is_stored_without_hidden_characters(
    visitor: Visitor, given: str, kept: str
) -> None:
    assert identify(visitor, email=given).json()["email"] == kept
    assert visitor.row.email == kept


def assert_refused(visitor: Visitor, response: Any, field: str) -> None:
    """Assert that one field was refused and nothing changed."""
    assert (response.status_code, code(response)) == (400, "invalid_input")
    assert [name.partition(".")[0] for name in response.json()["errors"]] == [field]
    assert visitor.row.identity == "anonymous"
    assert not Consent.objects.exists()
    assert not RetiredToken.objects.exists()
    assert since_created(visitor) == []


# Consent ---------------------------------------------------------------------


def answer(granted: Any = True, version: Any = "2026-01") -> dict[str, Any]:
    return {"granted": granted, "version": version}


def test_consent_is_granted_renewed_and_withdrawn(visitor: Visitor) -> None:
    token = visitor.token
    for given in (answer(), answer(version="2026-02"), answer(False, "2026-02")):
        response = identify(visitor, consent={"contact": given})
        assert response.json()["consent"] == {"contact": given}

    assert since_created(visitor) == ["consent.granted", "consent.granted", "consent.withdrawn"]
    assert details("consent.granted") == [
        {"purpose": "contact", "version": version} for version in ("2026-01", "2026-02")
    ]
    assert details("consent.withdrawn") == [{"purpose": "contact", "version": "2026-02"}]
    assert Consent.objects.count() == 1
    assert visitor.token == token
    assert visitor.row.identity == "anonymous"


@pytest.mark.both
def test_several_answers_at_once_are_an_event_each(visitor: Visitor) -> None:
    both = {"contact": answer(), "improvement": answer(False)}
    assert identify(visitor, consent=both).json()["consent"] == both
    assert sorted(since_created(visitor)) == ["consent.granted", "consent.withdrawn"]


def test_one_answer_leaves_the_other_alone(visitor: Visitor) -> None:
    identify(visitor, consent={"contact": answer()})
    body = identify(visitor, consent={"improvement": answer()}).json()["consent"]
    assert body == {"contact": answer(), "improvement": answer()}


CONSENTS = {
    "unknown purpose": {"contact": answer(), "newsletter": answer()},
    "no version": {"contact": {"granted": True}},
    "no answer": {"contact": {"version": "1"}},
    "null": {"contact": answer(None)},
    "hostile version": {"contact": answer(version="<b>")},
    "version of 41": {"contact": answer(version="1" * 41)},
    "version of two lines": {"contact": answer(version="1\n2")},
    "text": {"contact": "yes"},
    "list": ["contact"],
    "none": None,
}


@cases("consent", CONSENTS.values(), ids=CONSENTS.keys())
def test_invalid_consent_is_refused(visitor: Visitor, consent: Any) -> None:
    assert_refused(visitor, identify(visitor, **ANNA, consent=consent), "consent")


# Expiry ----------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"name": "Anna"}, {"email": ANNA["email"]}])
def test_contact_data_makes_an_unused_session_last(
    visitor: Visitor, settings: Any, given: dict[str, str]
) -> None:
    assert visitor.row.expires_at == visitor.row.created_at + settings.SESSION_UNUSED_LIMIT

    identify(visitor, **given)

    left = visitor.row.expires_at - timezone.now()
    assert abs(left - settings.SESSION_IDLE_LIMIT) < MINUTE


def test_consent_alone_does_not(visitor: Visitor) -> None:
    before = visitor.row.expires_at
    identify(visitor, consent={"contact": answer()})
    assert visitor.row.expires_at == before


@pytest.mark.parametrize("email", ["", "berta@example.com"])
def test_a_new_address_is_not_proven_and_keeps_the_expiry(visitor: Visitor, email: str) -> None:
    identify(visitor, **ANNA)
    before = completed(
        visitor, ago=timedelta(days=100)
    )  # longer than the limit of a session that is not completed
    assert visitor.current().json()["identity"] == "completed"

    body = identify(visitor, email=email).json()

    assert body["identity"] == "identified"
    assert visitor.row.expires_at == before.expires_at
    assert visitor.current().status_code == 200


def test_a_new_name_leaves_the_address_proven(visitor: Visitor) -> None:
    identify(visitor, **ANNA)
    before = completed(visitor)

    assert identify(visitor, name="Berta").json()["identity"] == "completed"

    assert visitor.row.expires_at == before.expires_at


def test_a_session_that_is_over_accepts_no_contact_data(visitor: Visitor) -> None:
    age_session(visitor.row, timedelta(days=2))

    response = identify(visitor, **ANNA)

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert (visitor.row.name, visitor.row.email) == ("", "")
    assert "session.identified" not in events()
