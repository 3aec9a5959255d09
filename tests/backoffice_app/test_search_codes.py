"""Mistyped support codes are noticed, and sessions with similar codes are offered."""

from random import sample

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.models import UserSession
from sessions_app.uuid_helpers import CROCKFORD, generate_support_code, near_support_codes
from tests.backoffice_app.pages import page_of, shown_text
from tests.backoffice_app.search_box import FIND, ask, linked, opened, whys
from tests.helpers import SOAK, started

# Slips differ by their symbols, and not by the database.

AGAIN = "Ask for the code again, symbol by symbol. 0 is never O."
WRONG = "This is not a valid support code"


@pytest.fixture
def rows(db: None) -> list[UserSession]:
    """Three sessions with very different codes."""
    for code in ("MAR-7F3-K2Q-X9C", "MAR-000-000-00Y", "MAR-QRS-TVW-XY1"):
        row = started().row
        UserSession.objects.filter(pk=row.pk).update(support_code=code)
    return list(UserSession.objects.order_by("created_at"))


def wrong_at(place: int, symbols: str) -> list[str]:
    return [symbols[:place] + s + symbols[place + 1 :] for s in CROCKFORD if s != symbols[place]]


def test_every_single_mistake_leads_back_to_the_code() -> None:
    for _ in range(100 if SOAK else 1):
        code = generate_support_code()
        symbols = code[4:].replace("-", "")
        heard = [text for place in range(9) for text in wrong_at(place, symbols)]
        heard += [symbols[:place] + symbols[place + 1 :] for place in range(9)]
        heard += [symbols[:place] + s + symbols[place:] for place in range(10) for s in "2Z"]
        for one in range(9):
            for other in range(one + 1, 9):
                swapped = list(symbols)
                swapped[one], swapped[other] = swapped[other], swapped[one]
                heard.append("".join(swapped))
        for text in heard if SOAK else sample(heard, 60):
            near = near_support_codes(text)
            assert text == symbols or code in near, text
            # Few candidates, and not one query for each.
            assert len(near) <= 60


SLIPS = {
    "MAR-7F3-K2Q-X9J": "symbol 9 is C, not J",
    "7f3 k2q x9j": "symbol 9 is C, not J",
    "MAR-7F3-K2U-X9C": "symbol 6 is Q, not U",
    "MAR-F73-K2Q-X9C": "symbols 1 and 2 were swapped",
    "MAR-7F3-KXQ-29C": "symbols 5 and 7 were swapped",
    "MAR-7F3-K2Q-X9": "symbol 9, C, is missing",
    "MAR-F3-K2Q-X9C": "symbol 1, 7, is missing",
    "MAR-7F3-K2Q-XX9C": "symbol 8, X, is too many",
    "NAR-7F3-K2Q-X9J": "symbol 9 is C, not J",
}


def test_a_mistyped_code_opens_the_only_similar_one_with_a_warning(
    support: Client, rows: list[UserSession]
) -> None:
    meant = next(row for row in rows if row.support_code == "MAR-7F3-K2Q-X9C")
    for heard, slip in SLIPS.items():
        answer = ask(support, heard)
        text = shown_text(answer.content.decode())
        assert linked(answer, rows) == [meant], heard
        assert "No session has the code that you typed." in text
        assert f"This session has a similar code: {slip}. Ask for the code again" in text
        assert "compare before you act" in text
    assert "similar code" not in support.get(page_of(meant)).content.decode()


def test_staff_choose_among_several_similar_codes(support: Client, rows: list[UserSession]) -> None:
    heard = "MAR-7F3-K2Q-X9J"
    codes = [code for code in near_support_codes(heard) if code != "MAR-7F3-K2Q-X9C"]
    UserSession.objects.filter(pk=rows[1].pk).update(support_code=codes[0])
    answer = ask(support, heard)
    text = shown_text(answer.content.decode())
    assert linked(answer, rows) == [rows[1], rows[0]]
    assert "similar code: symbol 9 is C, not J" in whys(answer)
    assert WRONG in text
    assert AGAIN in text
    assert "Compare before you act." in text
    assert opened(support, "MAR-7F3-K2Q-X9C") == page_of(rows[0])


def test_a_mistake_in_a_code_without_digits_is_reported(
    support: Client, rows: list[UserSession]
) -> None:
    meant = rows[0]
    UserSession.objects.filter(pk=meant.pk).update(support_code="MAR-ABC-DEF-GHK")
    for heard in ("mar abx def ghk", "mar-abc-def-gxk"):
        assert opened(support, heard) == page_of(meant), heard
    # These nine letters may also be a name.
    answer = ask(support, "ABCDEFGKH")
    assert linked(answer, rows) == [meant]
    assert WRONG in shown_text(answer.content.decode())


def test_a_valid_code_without_a_session(support: Client, rows: list[UserSession]) -> None:
    unknown = "MAR-ZZZ-ZZZ-ZZ"
    code = next(code for code in near_support_codes(unknown))
    answer = ask(support, code)
    text = shown_text(answer.content.decode())
    assert linked(answer, rows) == []
    assert "This support code is well-formed, but no session has it." in text
    assert AGAIN in text


def test_a_valid_code_gets_no_warning(support: Client, rows: list[UserSession]) -> None:
    for row in rows:
        answer = support.get(FIND, {"q": row.support_code})
        assert linked(answer, rows) == [row]
        assert "did the visitor mean" not in answer.content.decode().lower()


def test_an_invalid_code_without_similar_ones_says_what_to_ask(
    support: Client, rows: list[UserSession]
) -> None:
    for heard in ("MAR-222-333-44X", "MAR-22233344"):
        answer = ask(support, heard)
        assert linked(answer, rows) == []
        assert AGAIN in shown_text(answer.content.decode())


def test_a_name_is_not_taken_for_a_wrong_code(support: Client, rows: list[UserSession]) -> None:
    for name in ("Anna Bell", "Christine", "Maria Bellini", "Mar Gutierrez"):
        assert WRONG not in shown_text(ask(support, name).content.decode()), name


def test_all_similar_codes_are_one_query(support: Client, rows: list[UserSession]) -> None:
    with CaptureQueriesContext(connection) as captured:
        ask(support, "MAR-7F3-K2Q-X9J")
    assert len([q for q in captured if '"support_code" IN' in q["sql"]]) == 1
