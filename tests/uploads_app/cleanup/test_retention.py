"""Contact data and files of a session are deleted when their retention is over, and not before."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditPersonal
from sessions_app import tasks
from sessions_app.credentials import hash_token
from sessions_app.models import Consent, SessionStatus, UserSession
from sessions_app.services import identity
from tests.helpers import SOAK, Visitor, events, started, stored_keys, uploaded
from tests.sessions_app.people import ANNA, erase, identify
from tests.sessions_app.support import end_as, rival
from tests.uploads_app.cleanup.cleanup_support import settled

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
CONSENT = {"contact": {"granted": True, "version": "1"}}


@pytest.fixture
def anna(visitor: Visitor) -> Visitor:
    """A visitor with contact data, consent and a file."""
    identify(visitor, **ANNA, consent=CONSENT)
    uploaded(visitor)
    return visitor


def ended(visitor: Visitor, ago: timedelta, completed: bool = False) -> None:
    """End a visitor's session that long ago by the database's clock."""
    if completed:
        UserSession.objects.filter(pk=visitor.uuid).update(completed_at=timezone.now())
    session = UserSession.objects.filter(pk=visitor.uuid)
    visitor.end()
    session.update(ended_at=Now() - ago)


def forgotten(visitor: Visitor) -> bool:
    """Return whether contact data and consent of a session are deleted. Checks that all or none are."""
    row = UserSession.objects.get(pk=visitor.uuid)
    result = {bool(row.name), bool(row.email), row.consents.exists()}
    assert len(result) == 1
    return result == {False}


@pytest.mark.parametrize(
    ("completed", "ago", "deleted"),
    [
        (False, 7 * DAY - 30 * SECOND, False),
        (False, 7 * DAY + SECOND, True),
        (True, 7 * DAY + SECOND, False),
        (True, 365 * DAY - 30 * SECOND, False),
        (True, 365 * DAY + SECOND, True),
    ],
)
def test_contact_data_and_files_are_deleted_together(
    anna: Visitor, completed: bool, ago: timedelta, deleted: bool
) -> None:
    ended(anna, ago, completed)

    settled()
    assert tasks.forget_visitors() == int(deleted)

    assert forgotten(anna) is deleted
    assert bool(stored_keys()) is not deleted
    assert events(anna.uuid).count("session.contact_erased") == int(deleted)
    emails = AuditPersonal.objects.filter(email__gt="")
    assert emails.exists() is not deleted
    assert tasks.forget_visitors() == 0


def test_the_retentions_are_settings(anna: Visitor, settings: Any) -> None:
    settings.UPLOAD_RETENTION = DAY
    ended(anna, DAY + SECOND)
    assert tasks.forget_visitors() == 1


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_retention_applies_however_the_session_ended(
    anna: Visitor, make_staff: Any, how: str
) -> None:
    first = anna.uuid
    end_as(how, anna, make_staff)
    tasks.expire_sessions()
    UserSession.objects.filter(pk=first).update(ended_at=Now() - 8 * DAY)
    assert tasks.forget_visitors() == 1
    assert UserSession.objects.get(pk=first).email == ""


def test_a_live_session_keeps_its_data_at_any_age(anna: Visitor) -> None:
    UserSession.objects.update(created_at=F("created_at") - 29 * DAY)
    assert tasks.forget_visitors() == 0
    assert not forgotten(anna)


def test_consent_without_contact_data_is_deleted(visitor: Visitor) -> None:
    identify(visitor, consent=CONSENT)
    ended(visitor, 8 * DAY)
    assert tasks.forget_visitors() == 1
    assert not Consent.objects.exists()
    assert events(visitor.uuid)[-1] == "session.contact_erased"


def test_two_sweeps_at_once_write_each_event_once(anna: Visitor) -> None:
    ended(anna, 8 * DAY)
    with rival(tasks.forget_visitors):
        assert tasks.forget_visitors() == 0
    assert events(anna.uuid).count("session.contact_erased") == 1


def test_the_next_run_continues_after_the_limit(db: None) -> None:
    for number in range(5):
        visitor = started()
        identify(visitor, name=f"Visitor {number}")
        ended(visitor, 8 * DAY)
    assert [identity.forget_past_retention(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def fill(count: int, ended_ago: timedelta, name: str = "") -> None:
    """Add sessions that ended that long ago."""
    now = timezone.now()
    UserSession.objects.bulk_create(
        UserSession(
            token_hash=hash_token(f"{name}{ended_ago}{number}"),
            name=name,
            status=SessionStatus.ENDED,
            created_at=now - 40 * DAY,
            expires_at=now - ended_ago,
            ended_at=now - ended_ago,
        )
        for number in range(count)
    )


def sweep_plan() -> str:
    """Return the query plan of the sweep."""
    with CaptureQueriesContext(connection) as queries:
        assert identity.forget_past_retention(limit=100) == 0
    (requested,) = queries.captured_queries
    with connection.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute("ANALYZE")
        cursor.execute(f"{explain} {requested['sql'].replace('%', '%%')}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_the_sweep_does_not_read_every_session(visitor: Visitor) -> None:
    fill(20_000 if SOAK else 3_000, 100 * DAY)
    fill(20, DAY, "waiting")

    plan = sweep_plan()

    assert "session_contact" in plan
    assert "Seq Scan on sessions_app_usersession" not in plan
    assert "usersession_ended_at" not in plan, plan  # that index holds them all


@pytest.mark.both
def test_a_sweep_with_nothing_to_do_reads_no_session(visitor: Visitor) -> None:
    fill(50, 8 * DAY, "gone")
    assert tasks.forget_visitors() == 50
    with CaptureQueriesContext(connection) as queries:
        assert tasks.forget_visitors() == 0
    assert len(queries) <= 4


def test_an_erased_session_is_not_swept_again(anna: Visitor) -> None:
    erase(anna)
    UserSession.objects.update(ended_at=Now() - 8 * DAY)
    assert tasks.forget_visitors() == 0
    assert "session.contact_erased" not in events(anna.uuid)
