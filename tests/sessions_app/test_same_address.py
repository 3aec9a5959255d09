"""Two sessions are of the same person by one comparison of addresses everywhere."""

import pytest

from common.folding import ascii_lower
from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import started
from uploads_app.services.transfer import SessionRelation, relation

pytestmark = pytest.mark.both

ANNA = "anna.kelvin@example.com"


@cases(
    ("one", "other", "same"),
    [
        (ANNA, ANNA, True),
        (ANNA, "Anna.KELVIN@Example.COM", True),
        (ANNA, "anna.kelvin@example.org", False),
        # U+212A KELVIN SIGN has the lower case k, ſ the upper case S, ı the upper case I.
        (ANNA, "anna.\u212aelvin@example.com", False),
        ("s@example.com", "ſ@example.com", False),
        ("i@example.com", "ı@example.com", False),
        ("i@example.com", "İ@example.com", False),
        ("ä@example.com", "ä@example.com", True),
        ("ä@example.com", "Ä@example.com", False),
        ("x@straße.example", "x@STRASSE.example", False),
        ("", "", False),
    ],
    ids=str,
)
def test_the_transfer_and_the_page_of_a_person_agree(
    db: None, one: str, other: str, same: bool
) -> None:
    first, second = started().row, started().row
    for session, email in ((first, one), (second, other)):
        session.email, session.email_proven = email, True
        session.save()

    found = relation(session=first, other=second)

    assert found == (SessionRelation.SAME_PERSON if same else SessionRelation.NONE)
    assert (second in UserSession.objects.of_email(one)) == same
    assert (second in UserSession.objects.proven_by(one)) == same
    assert (ascii_lower(one) == ascii_lower(other)) == (same or not one)
