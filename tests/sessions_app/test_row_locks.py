"""Two changes of one session at once, on PostgreSQL: the second one waits for the first."""

import pytest

from sessions_app.exceptions import SessionNotActive
from sessions_app.models import RecoveryCode
from sessions_app.services.privacy import erase_session
from sessions_app.services.recovery import issue_recovery_code
from sessions_app.services.sessions import end_session, extend_session
from tests.helpers import Visitor, code, events, started
from tests.row_locks import ON_POSTGRESQL, change_while_open
from tests.sessions_app.support import clone

pytestmark = ON_POSTGRESQL


@pytest.fixture
def visitor(committed: None) -> Visitor:
    return started()


def test_contact_data_is_not_stored_in_a_session_that_ends_meanwhile(visitor: Visitor) -> None:
    tab = clone(visitor)

    answer = change_while_open(
        lambda: end_session(session=visitor.row), lambda: tab.identify(email="anna@example.com")
    )

    assert (answer.status_code, code(answer)) == (401, "session_invalid")
    assert (visitor.row.status, visitor.row.email) == ("ended", "")
    assert "session.identified" not in events()


def test_a_shorter_extension_does_not_replace_a_longer_one(visitor: Visitor) -> None:
    stale = visitor.row

    until = change_while_open(
        lambda: extend_session(session=visitor.row, days=20, reason="travelling"),
        lambda: extend_session(session=stale, days=8, reason="ill"),
    )

    assert visitor.row.expires_at == until
    assert (visitor.row.expires_at - visitor.row.created_at).days >= 19
    assert events().count("session.extended") == 2


def test_a_session_is_erased_once(visitor: Visitor) -> None:
    stale = visitor.row

    erased = change_while_open(
        lambda: erase_session(session=visitor.row, reason="visitor"),
        lambda: erase_session(session=stale, reason="staff"),
    )

    assert erased is False
    assert events().count("session.erasure_requested") == 1
    assert events().count("session.erased") == 1


def test_no_recovery_code_is_issued_for_a_session_that_ends_meanwhile(visitor: Visitor) -> None:
    stale = visitor.row

    answer = change_while_open(
        lambda: end_session(session=visitor.row),
        lambda: issue_recovery_code(session=stale, reason="lost device"),
    )

    assert isinstance(answer, SessionNotActive)
    assert not RecoveryCode.objects.exists()
    assert "session.recovery_issued" not in events()
