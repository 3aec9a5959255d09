"""GET sessions/current/revision/: what an open page asks, which is not an activity."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import RetiredToken, UserSession
from tests.helpers import Visitor, age_session, events, pdf, started, uploaded
from uploads_app.models import UploadedFile, UploadStatus

pytestmark = pytest.mark.both

URL = "/api/v1/sessions/current/revision/"


def ask(visitor: Visitor, known: str = "") -> Any:
    return visitor.get(URL, headers={"If-None-Match": known} if known else None)


def rows() -> list[Any]:
    return [*UserSession.objects.values(), *RetiredToken.objects.values(), AuditLog.objects.count()]


def test_an_unchanged_session_is_answered_by_304_without_a_trace(
    visitor: Visitor, django_assert_num_queries: Any
) -> None:
    stored = uploaded(visitor)
    # It would be touched and its first use recorded, if asking were an activity.
    age_session(visitor.row, timedelta(minutes=5))
    visitor.identify(name="Ada")
    age_session(visitor.row, timedelta(minutes=5))
    UserSession.objects.update(token_used_at=None, proven_at=None)
    before = rows()

    with django_assert_num_queries(1):
        first = ask(visitor)
    with django_assert_num_queries(1):
        second = ask(visitor, first["ETag"])
    weak = ask(visitor, f'"other", W/{first["ETag"]}')

    assert first.json() == {
        "revision": first["ETag"].strip('"'),
        "files": [{"id": str(stored.pk), "status": "stored"}],
    }
    assert (second.status_code, second.content) == (304, b"")
    assert (second["ETag"], second["Cache-Control"]) == (first["ETag"], "no-store")
    assert weak.status_code == 304
    assert rows() == before


def quarantine(visitor: Visitor) -> None:
    UploadedFile.objects.update(status=UploadStatus.QUARANTINED)


def extend(visitor: Visitor) -> None:
    UserSession.objects.update(extended_until=timezone.now() + timedelta(days=9))


def delete(visitor: Visitor) -> None:
    file = UploadedFile.objects.get(session=visitor.row)
    assert visitor.delete_upload(str(file.pk)).status_code == 204


CHANGES: dict[str, Callable[[Visitor], Any]] = {
    "another file": lambda visitor: visitor.upload(pdf("other")),
    "a file less": delete,
    "a file in quarantine": quarantine,
    "a name": lambda visitor: visitor.identify(name="Ada"),
    "an answer": lambda visitor: visitor.identify(
        consent={"contact": {"granted": True, "version": "1"}}
    ),
    "a later end": extend,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_answered(visitor: Visitor, change: str) -> None:
    uploaded(visitor)
    before = ask(visitor)
    uploaded(started())
    assert ask(visitor, before["ETag"]).status_code == 304

    CHANGES[change](visitor)

    after = ask(visitor, before["ETag"])
    assert after.status_code == 200
    assert after["ETag"] != before["ETag"]


def test_activity_is_no_change(visitor: Visitor) -> None:
    before = ask(visitor)
    age_session(visitor.row, timedelta(minutes=5))
    visitor.current()

    assert ask(visitor, before["ETag"]).status_code == 304


def test_a_retired_token_asks_by_one_statement_too(
    visitor: Visitor, django_assert_num_queries: Any
) -> None:
    old = visitor.token
    visitor.identify(name="Ada")
    newest = ask(visitor)
    visitor.token = old

    with django_assert_num_queries(1):
        assert ask(visitor, newest["ETag"]).status_code == 304
    RetiredToken.objects.update(good_until=timezone.now() - timedelta(minutes=1))
    assert ask(visitor).json()["code"] == "session_invalid"


def test_a_session_that_is_due_is_refused_and_left_to_others(visitor: Visitor) -> None:
    uploaded(visitor)
    age_session(visitor.row, timedelta(days=8))

    answer = ask(visitor)

    assert answer.status_code == 401
    assert answer.json()["reason"] == "expired"
    assert answer.json()["lost"]["count"] == 1
    assert visitor.row.status == "active"
    assert "session.expired" not in events()


def test_it_has_a_limit_of_its_own(visitor: Visitor, settings: Any) -> None:
    settings.RATE_LIMITS = {**configured.RATE_LIMITS, "revision": ["2/m"], "session": ["3/m"]}

    statuses = [ask(visitor).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert visitor.current().status_code == 200


def test_another_uuid_is_refused(visitor: Visitor) -> None:
    answer = visitor.get(URL, headers={"X-Session-UUID": started().uuid})

    assert answer.json()["code"] == "session_mismatch"
