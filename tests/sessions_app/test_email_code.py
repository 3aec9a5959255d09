"""The code that proves an e-mail address, sent through a real SMTP server."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.credentials import LONGEST_EXTENSION
from sessions_app.models import EmailCode
from tests.helpers import Visitor, at_once, code, events, started
from tests.mailbox import Mailbox
from tests.ports import free_port
from tests.sessions_app.people import (
    ANNA,
    ask_for_code,
    database_dump,
    details,
    identify,
    log_lines,
    mail_server,
    use_mail_server,
    verify,
)
from tests.sessions_app.support import clone, rival

SECOND = timedelta(seconds=1)
BEGUN = ["session.created", "session.identified", "session.token_rotated"]
COMPLETED = [*BEGUN, "session.completed", "session.token_rotated"]


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """The messages that arrive at this test's mail server."""
    with mail_server(settings) as mailbox:
        yield mailbox


@pytest.fixture
def anna(visitor: Visitor) -> Visitor:
    """A visitor who has given an e-mail address."""
    identify(visitor, **ANNA)
    return visitor


def another_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def move_sent(seconds: int) -> None:
    """Move the sent codes back in time."""
    by = timedelta(seconds=seconds)
    EmailCode.objects.update(sent_at=F("sent_at") - by, expires_at=F("expires_at") - by)


def test_the_code_arrives_as_plain_text(anna: Visitor, mailbox: Mailbox, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Maria <maria@example.org>"

    response = ask_for_code(anna)

    assert response.status_code == 202
    assert response.json().keys() == {"expires_at", "next_in"}
    assert response.json()["next_in"] == 30
    (message,) = mailbox.messages
    assert mailbox.envelopes == [("maria@example.org", [ANNA["email"]])]
    assert message["From"] == "Maria <maria@example.org>"
    assert message["To"] == ANNA["email"]
    assert message.get_content_type() == "text/plain"
    assert mailbox.sent_code() in message["Subject"]
    assert "10 minutes" in message.get_content()
    assert ANNA["name"] not in message.as_string()
    assert events(anna.uuid) == BEGUN


@pytest.mark.parametrize(
    "email",
    [
        '"a\u000c\u000cBcc:eve@b.example"@example.com',
        '"a\nBcc:eve"@example.com',
        "a@müller.example",
    ],
    ids=["form feeds", "line", "idn"],
)
def test_an_address_cannot_inject_a_header(visitor: Visitor, mailbox: Mailbox, email: str) -> None:
    identify(visitor, email=email)

    assert ask_for_code(visitor).status_code == 202

    (message,) = mailbox.messages
    assert set(message.keys()) == {
        "Content-Type", "MIME-Version", "Content-Transfer-Encoding",
        "Subject", "From", "To", "Date", "Message-ID",
    }  # fmt: skip
    assert len(mailbox.envelopes[0][1]) == 1
    assert message.get_content().startswith(f"{mailbox.sent_code()} is your code")


def test_the_code_completes_the_session(anna: Visitor, mailbox: Mailbox, settings: Any) -> None:
    ask_for_code(anna)
    token = anna.token

    response = verify(anna, mailbox.sent_code())

    assert response.status_code == 200
    assert response.json()["identity"] == "completed"
    row = anna.row
    assert row.completed_at is not None
    assert abs(row.completed_at - timezone.now()) < 60 * SECOND
    assert row.expires_at == row.completed_at + settings.SESSION_COMPLETED_LIMIT
    assert anna.token != token
    longest = settings.SESSION_COMPLETED_LIMIT + LONGEST_EXTENSION + timedelta(days=7)
    assert anna.cookies["maria_session"]["max-age"] == longest.total_seconds()
    assert events(anna.uuid) == COMPLETED
    assert AuditLog.objects.get(event_type="session.completed").personal.email == ANNA["email"]
    assert details("session.token_rotated")[-1] == {"reason": "completed"}


def test_the_same_code_again_changes_nothing(anna: Visitor, mailbox: Mailbox) -> None:
    ask_for_code(anna)
    verify(anna, mailbox.sent_code())
    row, token = anna.row, anna.token

    response = verify(anna, mailbox.sent_code())

    assert (response.status_code, response.json()["identity"]) == (200, "completed")
    assert (anna.row.completed_at, anna.row.expires_at) == (row.completed_at, row.expires_at)
    assert anna.token == token
    assert events(anna.uuid) == COMPLETED


def test_wrong_codes_are_counted_and_the_sixth_is_not_checked(
    anna: Visitor, mailbox: Mailbox
) -> None:
    ask_for_code(anna)

    for left in (4, 3, 2, 1, 0):
        response = verify(anna, another_than(mailbox.sent_code()))
        assert (response.status_code, code(response)) == (400, "code_wrong")
        assert response.json()["tries_left"] == left
    response = verify(anna, mailbox.sent_code())

    assert (response.status_code, code(response)) == (410, "code_expired")
    assert anna.row.completed_at is None
    assert events(anna.uuid) == [*BEGUN, "session.refused"]


def test_the_fifth_try_may_still_be_right(anna: Visitor, mailbox: Mailbox) -> None:
    ask_for_code(anna)
    for _ in range(4):
        verify(anna, another_than(mailbox.sent_code()))
    assert verify(anna, mailbox.sent_code()).status_code == 200


@pytest.mark.both
def test_of_twenty_concurrent_tries_five_are_checked(committed: None, mailbox: Mailbox) -> None:
    anna = started()
    identify(anna, **ANNA)
    ask_for_code(anna)
    wrong, cookie = another_than(mailbox.sent_code()), anna.token

    def guess(_: int) -> str:
        tab = Visitor()
        tab.uuid = anna.uuid
        tab.cookies["maria_session"] = cookie
        return code(verify(tab, wrong))

    answers = at_once(20, guess, threads=10)

    assert sorted(answers) == ["code_expired"] * 15 + ["code_wrong"] * 5
    assert EmailCode.objects.get().tries == 5


@pytest.mark.parametrize(
    "given", ["12345", "1234567", "12345a", "", None, "\u0661" * 6, "123456\n7", "123 456"]
)
def test_malformed_codes_cost_no_try(anna: Visitor, mailbox: Mailbox, given: Any) -> None:
    ask_for_code(anna)
    response = verify(anna, given)
    assert (response.status_code, code(response)) == (400, "invalid_input")
    assert EmailCode.objects.get().tries == 0


@pytest.mark.parametrize(("seconds", "status"), [(598, 200), (601, 410)])
def test_a_code_is_valid_for_ten_minutes(
    anna: Visitor, mailbox: Mailbox, seconds: int, status: int
) -> None:
    ask_for_code(anna)
    waiting = EmailCode.objects.get()
    assert abs(waiting.expires_at - waiting.sent_at - timedelta(minutes=10)) < SECOND

    move_sent(seconds)

    assert verify(anna, mailbox.sent_code()).status_code == status


def test_a_code_expires_by_the_databases_clock(anna: Visitor, mailbox: Mailbox) -> None:
    ask_for_code(anna)
    EmailCode.objects.update(expires_at=Now())  # exactly now: any later request is too late
    assert code(verify(anna, mailbox.sent_code())) == "code_expired"


@pytest.mark.parametrize("seconds", [0, 27])
def test_the_next_code_must_wait_thirty_seconds(
    anna: Visitor, mailbox: Mailbox, seconds: int
) -> None:
    ask_for_code(anna)
    move_sent(seconds)

    response = ask_for_code(anna)

    assert (response.status_code, code(response)) == (429, "rate_limited")
    assert 0 < int(response["Retry-After"]) <= 30 - seconds
    assert len(mailbox.messages) == 1
    assert events(anna.uuid) == [*BEGUN, "ratelimit.exceeded"]
    assert details("ratelimit.exceeded") == [{"limit": "email-30s", "repeated": 0}]
    assert verify(anna, mailbox.sent_code()).status_code == 200


def test_after_thirty_seconds_another_code_replaces_the_first(
    anna: Visitor, mailbox: Mailbox
) -> None:
    ask_for_code(anna)
    first = mailbox.sent_code()
    for _ in range(5):
        verify(anna, another_than(first))
    move_sent(30)
    assert ask_for_code(anna).status_code == 202
    if first != mailbox.sent_code():
        assert code(verify(anna, first)) == "code_wrong"
    assert verify(anna, mailbox.sent_code()).status_code == 200


def test_without_an_address_nothing_is_sent(visitor: Visitor, mailbox: Mailbox) -> None:
    response = ask_for_code(visitor)
    assert (response.status_code, code(response)) == (409, "email_missing")
    assert mailbox.messages == []
    assert code(verify(visitor, "123456")) == "code_expired"


def test_t14_the_code_of_another_session_proves_nothing(anna: Visitor, mailbox: Mailbox) -> None:
    other = started()
    identify(other, **ANNA)
    ask_for_code(anna)
    of_anna = mailbox.sent_code()
    ask_for_code(other)
    if of_anna != mailbox.sent_code():
        assert code(verify(other, of_anna)) == "code_wrong"
    assert other.row.completed_at is None


def test_the_code_of_another_address_proves_nothing(anna: Visitor, mailbox: Mailbox) -> None:
    ask_for_code(anna)
    identify(anna, email="eve@example.com")
    assert code(verify(anna, mailbox.sent_code())) == "code_expired"
    identify(anna, email=ANNA["email"])
    assert code(verify(anna, mailbox.sent_code())) == "code_expired"
    assert anna.row.completed_at is None


def after_the_try_is_counted(act: Callable[[], Any]) -> AbstractContextManager[None]:
    """Run `act` once, right after a try was counted and before the code is read."""
    acted: list[bool] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and "tries" in sql and not acted:
            acted.append(True)
            act()
        return answer

    return connection.execute_wrapper(wrapper)


@pytest.mark.both
@pytest.mark.parametrize("moment", [after_the_try_is_counted, rival])
def test_an_address_that_changes_concurrently_is_not_proven(
    anna: Visitor, mailbox: Mailbox, moment: Callable[..., AbstractContextManager[None]]
) -> None:
    ask_for_code(anna)
    tab = clone(anna)

    with moment(lambda: identify(tab, email="eve@example.com")):
        response = verify(anna, mailbox.sent_code())

    assert (response.status_code, code(response)) == (410, "code_expired")
    assert (anna.row.email, anna.row.completed_at) == ("eve@example.com", None)
    assert "session.completed" not in events(anna.uuid)


@pytest.mark.both
def test_one_address_gets_six_codes_an_hour_from_all_sessions(db: None, mailbox: Mailbox) -> None:
    assert django_settings.RATE_LIMITS["email"] == ["6/h"]
    for number in range(6):
        visitor = started()
        identify(visitor, email=["anna@example.com", "Anna@EXAMPLE.com"][number % 2])
        assert ask_for_code(visitor).status_code == 202
    seventh = started()
    identify(seventh, **ANNA)

    response = ask_for_code(seventh)

    assert (response.status_code, code(response)) == (429, "rate_limited")
    assert 0 < int(response["Retry-After"]) <= 3600
    assert len(mailbox.messages) == 6
    identify(seventh, email="berta@example.com")
    assert ask_for_code(seventh).status_code == 202


# A failing mail server ----------------------------------------


def test_an_unreachable_mail_server_is_503(anna: Visitor, settings: Any) -> None:
    use_mail_server(settings, free_port())
    with log_lines() as lines:
        assert_unavailable(anna)
    assert "ConnectionRefusedError" in lines.getvalue()
    with mail_server(settings) as mailbox:
        assert ask_for_code(anna).status_code == 202
        assert verify(anna, mailbox.sent_code()).status_code == 200


@pytest.mark.parametrize("refusal", ["550 no such user {}", "451 try later {}"])
def test_t50_a_mail_server_that_refuses_is_logged_without_the_address(
    anna: Visitor, mailbox: Mailbox, refusal: str
) -> None:
    mailbox.refusal = refusal.format(ANNA["email"])
    with log_lines() as lines:
        assert_unavailable(anna)
    assert "the mail server did not take a code" in lines.getvalue()
    assert ANNA["email"] not in lines.getvalue()
    mailbox.refusal = ""
    assert ask_for_code(anna).status_code == 202


def test_a_hanging_mail_server_times_out(anna: Visitor, settings: Any) -> None:
    assert settings.EMAIL_TIMEOUT == 8
    settings.EMAIL_TIMEOUT = 0.2
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        use_mail_server(settings, silent.getsockname()[1])
        assert_unavailable(anna)
        assert code(ask_for_code(anna)) == "mail_unavailable"  # at once, not after 30 s


def assert_unavailable(visitor: Visitor) -> None:
    """Assert that sending failed, that the answer says so, and that no code is stored."""
    visitor.raise_request_exception = False
    response = ask_for_code(visitor)
    assert (response.status_code, code(response)) == (503, "mail_unavailable")
    assert int(response["Retry-After"]) > 0
    assert not EmailCode.objects.exists()
    assert events(visitor.uuid) == BEGUN


# Places without the code -------------------------------------------------------


def test_t4_the_code_is_only_in_the_message(anna: Visitor, mailbox: Mailbox) -> None:
    with log_lines() as lines:
        ask_for_code(anna)
        sent = mailbox.sent_code()
        waiting = database_dump()
        verify(anna, another_than(sent))
        verify(anna, sent)
    for text in (waiting, database_dump(), lines.getvalue()):
        # Six digits can be part of a time or a hash, so only a separate number counts as the code.
        assert f"'{sent}'" not in text
        assert f'"{sent}"' not in text
    assert "email/verify" in lines.getvalue()
    assert all(sent not in str(row.details) for row in AuditLog.objects.all())


def test_in_development_the_message_is_printed_to_the_terminal(
    anna: Visitor, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert ask_for_code(anna).status_code == 202
    assert f"To: {ANNA['email']}" in capsys.readouterr().out
