"""POST sessions/validate/: checks the spelling; the state is returned only with a proof."""

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sessions_app.models import UserSession
from sessions_app.uuid_helpers import UuidMalformed, generate_uuid, parse_uuid
from tests.cases import cases
from tests.helpers import SOAK, Visitor, code, events, started

URL = "/api/v1/sessions/validate/"
GOOD = "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"
# uuid.UUID() or a careless pattern accepts each of these.
ALIASES = [
    GOOD.upper(),
    GOOD.replace("b", "B", 1),
    "{" + GOOD + "}",
    "urn:uuid:" + GOOD,
    GOOD.replace("-", ""),
    "9b2f-8f6e3c1d4a57-8e21-0d4c5b6a7f80",
    GOOD.replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
    GOOD.replace("3", "\N{ARABIC-INDIC DIGIT THREE}"),
    GOOD.replace("-", "\N{HYPHEN}"),
    " " + GOOD,
    GOOD + " ",
    GOOD + "\n",
    "\t" + GOOD,
    GOOD + "\N{NO-BREAK SPACE}",
    GOOD + "\N{ZERO WIDTH SPACE}",
    GOOD[:-1],
    GOOD + "0",
    GOOD.replace("-4a57-", "-1a57-"),
    GOOD.replace("-4a57-", "-7a57-"),
    GOOD.replace("-8e21-", "-7e21-"),
    GOOD.replace("-8e21-", "-ce21-"),
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "null",
    "undefined",
    "0x" + GOOD[2:],
]


def validate(visitor: Visitor, value: Any) -> Any:
    return visitor.post(URL, {"uuid": value}, content_type="application/json")


@pytest.mark.both
def test_without_proof_a_good_spelling_is_well_formed(db: None) -> None:
    response = validate(Visitor(), GOOD)

    assert response.status_code == 200
    assert response.json() == {"uuid": GOOD, "status": "well_formed"}
    assert events() == []


def test_with_proof_the_sessions_state_is_returned(visitor: Visitor) -> None:
    assert validate(visitor, visitor.uuid).json() == {"uuid": visitor.uuid, "status": "active"}


@pytest.mark.parametrize("status", ["expired", "reset", "ended", "revoked"])
def test_with_proof_of_an_ended_session_its_state_is_returned(
    visitor: Visitor, status: str
) -> None:
    row = visitor.row
    UserSession.objects.filter(pk=row.pk).update(status=status, ended_at=row.created_at)

    assert validate(visitor, visitor.uuid).json() == {"uuid": visitor.uuid, "status": status}


def test_the_proof_of_one_session_discloses_nothing_of_another(visitor: Visitor) -> None:
    other = started()

    assert validate(visitor, other.uuid).json()["status"] == "well_formed"
    assert validate(visitor, GOOD).json()["status"] == "well_formed"


@cases("alias", ALIASES)
def test_t13_other_spellings_are_refused(db: None, alias: str) -> None:
    response = validate(Visitor(), alias)

    assert response.status_code == 400
    assert code(response) == "uuid_malformed"
    assert events() == ["session.refused"]


@cases("value", [None, "", [GOOD], {"uuid": GOOD}, True, "9" * 5000])
def test_t13_other_values_are_invalid_input(db: None, value: Any) -> None:
    response = validate(Visitor(), value)

    assert response.status_code == 400
    assert code(response) == "invalid_input"
    assert response.json()["errors"].keys() == {"uuid"}


def test_t13_a_body_without_uuid_is_invalid_input(db: None) -> None:
    response = Visitor().post(URL, {}, content_type="application/json")

    assert (response.status_code, code(response)) == (400, "invalid_input")


@cases("alias", ALIASES)
def test_t13_the_header_is_parsed_as_strictly(visitor: Visitor, alias: str) -> None:
    row = visitor.row
    # WSGI passes headers as Latin-1, so a client's UTF-8 arrives like this.
    sent = alias.encode().decode("latin-1")

    response = visitor.delete("/api/v1/sessions/current/", headers={"X-Session-UUID": sent})

    assert (response.status_code, code(response)) == (400, "uuid_malformed")
    assert (
        UserSession.objects.values().get() == UserSession.objects.filter(pk=row.pk).values().get()
    )
    assert visitor.row.status == "active"
    assert events() == ["session.created", "session.refused"]


@settings(max_examples=5_000 if SOAK else 500, deadline=None)
@given(st.one_of(st.text(), st.uuids().map(str), st.from_regex(r"[0-9a-fA-F{}-]{30,40}")))
@example(GOOD + "\n")
def test_t13_only_the_canonical_spelling_of_version_4_parses(text: str) -> None:
    try:
        value = uuid.UUID(text)
        canonical = str(value) == text and value.version == 4
    except ValueError:
        canonical = False

    if canonical:
        assert str(parse_uuid(text)) == text
    else:
        with pytest.raises(UuidMalformed):
            parse_uuid(text)


def test_t13_every_generated_uuid_parses() -> None:
    for _ in range(1000):
        made = generate_uuid()
        assert parse_uuid(str(made)) == made


@settings(
    max_examples=200 if SOAK else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(min_size=1, max_size=64).filter(lambda text: text != GOOD))
def test_t13_no_text_makes_the_endpoint_fail(db: None, settings: Any, text: str) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "validate": ["100000/h"]}

    assert validate(Visitor(), text).status_code == 400
