"""Downloads by visitors, and refusals that other people's pages cause, are one row an hour."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from audit_app.models import AuditLog
from tests.cases import cases
from tests.helpers import Visitor, code, events, uploaded

pytestmark = [pytest.mark.both, pytest.mark.usefixtures("cache_in_step")]

HOUR = timedelta(hours=1)


def rows(event_type: str) -> list[AuditLog]:
    """Return the events of one type, oldest first."""
    return list(AuditLog.objects.filter(event_type=event_type).order_by("id"))


def malformed_uuid(visitor: Visitor) -> Any:
    return visitor.send("sessions/validate/", {"uuid": visitor.uuid.upper()})


def foreign_origin(visitor: Visitor) -> Any:
    return visitor.send("sessions/", {}, headers={"Origin": "https://evil.example"})


def missing_header(visitor: Visitor) -> Any:
    return visitor.send("sessions/current/reset/", {})


def test_t51_many_downloads_of_a_file_are_one_row_an_hour(visitor: Visitor) -> None:
    one, other = uploaded(visitor, name="four.pdf"), uploaded(visitor, name="five.pdf")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            visitor.download(str(one.pk))
        visitor.download(str(other.pk))
        clock.shift(HOUR - timedelta(seconds=1))
        visitor.download(str(one.pk))
        assert len(rows("upload.downloaded")) == 2
        clock.shift(2)
        visitor.download(str(one.pk))

    first, second, third = rows("upload.downloaded")
    assert {str(row.session_uuid) for row in (first, second, third)} == {visitor.uuid}
    assert (first.actor, first.outcome, first.target) == ("visitor", "success", f"upload:{one.pk}")
    assert [row.details for row in (first, second, third)] == [
        {"size": one.size, "repeated": 0},
        {"size": other.size, "repeated": 0},
        {"size": one.size, "repeated": 5},
    ]
    assert (second.target, second.personal.file_name) == (f"upload:{other.pk}", "five.pdf")
    assert "four.pdf" not in first.text


def test_a_download_by_a_short_link_is_recorded(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    url = visitor.send(f"uploads/{upload.pk}/link/", **visitor.named).json()["url"]
    assert visitor.head(f"/api/v1/uploads/{upload.pk}/download/").status_code == 200
    assert events(visitor.uuid) == ["session.created", "upload.stored"]
    assert b"".join(Visitor().get(url).streaming_content)  # type: ignore[attr-defined]
    assert events(visitor.uuid) == ["session.created", "upload.stored", "upload.downloaded"]


def test_a_refused_download_is_not_recorded(visitor: Visitor, settings: Any) -> None:
    upload = uploaded(visitor)
    settings.HOLD_DOWNLOADS = "until_inspected"
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 409
    assert "upload.downloaded" not in events()


@cases(
    ("refused", "expected", "has_session"),
    [
        (malformed_uuid, "uuid_malformed", False),
        (foreign_origin, "origin_not_allowed", False),
        (missing_header, "session_header_required", True),
    ],
)
def test_t51_refusals_by_others_are_one_row_an_hour(
    visitor: Visitor, refused: Callable[[Visitor], Any], expected: str, has_session: bool
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(8):
            assert code(refused(visitor)) == expected
        clock.shift(HOUR - timedelta(seconds=1))
        refused(visitor)
        assert len(rows("session.refused")) == 1
        clock.shift(2)
        refused(visitor)

    first, second = rows("session.refused")
    assert first.details == {"code": expected, "reason": None, "repeated": 0}
    assert second.details == {"code": expected, "reason": None, "repeated": 8}
    assert (first.outcome, first.actor) == ("denied", "visitor")
    known = visitor.uuid if has_session else "None"
    assert {str(first.session_uuid), str(second.session_uuid)} == {known}
    assert visitor.row.status == "active"
