"""Support finds a session by its UUID, or by a support code however it is spelt."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from sessions_app.models import UserSession
from sessions_app.uuid_helpers import generate_support_code
from tests.admin.pages import list_of, page_of, shown_text
from tests.helpers import started

LIST = list_of(UserSession)


@pytest.fixture
def support(make_staff: Any) -> Client:
    """A staff member of the group Support, who has just signed in."""
    support: Client = make_staff("Support")
    return support


@pytest.fixture
def session(db: None) -> UserSession:
    """A session among others, whose code holds what is misheard."""
    row = [started() for _ in range(3)][1].row
    code = ""
    while not {"0", "1"} <= set(code[4:]):
        code = generate_support_code()
    UserSession.objects.filter(pk=row.pk).update(support_code=code)
    row.refresh_from_db()
    return row


def found(support: Client, **query: str) -> list[UserSession]:
    """Return the sessions whose pages the list links to."""
    page = support.get(f"{LIST}?{urlencode(query)}")
    assert page.status_code == 200
    return [row for row in UserSession.objects.all() if page_of(row) in page.content.decode()]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "lower case": str.lower,
    "no hyphens": lambda code: code.replace("-", ""),
    "spaces": lambda code: code.replace("-", " "),
    "no prefix": lambda code: code.removeprefix("MAR-"),
    "bare": lambda code: code.removeprefix("MAR-").replace("-", "").lower(),
    "O for 0": lambda code: "MAR-" + code[4:].replace("0", "O"),
    "o and l for 0 and 1": lambda code: (
        "mar-" + code[4:].lower().replace("0", "o").replace("1", "l")
    ),
    "I for 1": lambda code: "MAR-" + code[4:].replace("1", "I"),
    "around it": lambda code: f"  {code}\t",
    "with dots": lambda code: code.replace("-", "."),
    "with long dashes": lambda code: code.replace("-", "–"),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_by_support_code_in_any_spelling(
    support: Client, session: UserSession, spelling: Callable[[str], str]
) -> None:
    assert found(support, q=spelling(session.support_code)) == [session]


@pytest.mark.parametrize(
    "spelling", [str, lambda u: u.upper(), lambda u: u.replace("-", ""), lambda u: f" {u} "]
)
def test_by_uuid(support: Client, session: UserSession, spelling: Callable[[str], str]) -> None:
    assert found(support, q=spelling(str(session.uuid))) == [session]


def test_without_a_term_all_are_listed(support: Client, session: UserSession) -> None:
    assert len(found(support)) == len(found(support, q="  ")) == 3


def one_symbol_wrong(code: str) -> str:
    return code[:-1] + ("2" if code[-1] != "2" else "3")


def swapped(code: str) -> str:
    letters = list(code)
    place = next(i for i in range(4, 6) if letters[i] != letters[i + 1])
    letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


def test_a_code_that_was_misheard_says_what_to_do(support: Client, session: UserSession) -> None:
    UserSession.objects.filter(pk=session.pk).update(support_code=(code := "MAR-7F3-K2Q-" + "X9H"))
    for wrong in (one_symbol_wrong(code), code[:-1], code + "7", "anna@example.com"):
        page = support.get(LIST, {"q": wrong})
        assert page.status_code == 200
        assert "ask for the code again, symbol by symbol" in shown_text(page.content.decode())
        assert page_of(session) not in page.content.decode()


@pytest.mark.parametrize(
    "term", ["<script>alert(1)</script>", "'", '"', "%", "\\", "x" * 5000, "\u202e", "🦀"]
)
def test_a_hostile_term_finds_nothing_and_is_shown_escaped(
    support: Client, session: UserSession, term: str
) -> None:
    support.raise_request_exception = False
    assert found(support, q=term) == []
    assert "<script>alert" not in support.get(LIST, {"q": term}).content.decode()


def test_an_unknown_uuid_finds_nothing(support: Client, session: UserSession) -> None:
    assert found(support, q=str(uuid.uuid4())) == []


def test_the_status_filter(support: Client, session: UserSession) -> None:
    ended = started()
    ended.end()
    assert found(support, status__exact="ended") == [ended.row]
    assert len(found(support, status__exact="active")) == 3
    assert found(support, status__exact="revoked") == []
    assert found(support, status__exact="ended", q=ended.row.support_code) == [ended.row]
    assert found(support, status__exact="active", q=ended.row.support_code) == []
