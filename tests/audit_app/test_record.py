"""`record` accepts registered events and keys, inside the transaction of their change."""

import json
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from audit_app import events
from audit_app.models import AuditLog, AuditPersonal
from audit_app.services import EffectWithoutTransaction, Personal, record
from common import context
from common.context import RequestContext
from sessions_app import events as session_events
from tests.helpers import Visitor, started, uploaded


def test_a_row_has_the_actor_and_the_client(db: None) -> None:
    about = uuid.uuid4()
    address = context.parse_address("203.0.113.77")
    request_context = RequestContext("request-1", address, "Browser/1", "staff:7")
    with context.using(request_context), transaction.atomic():
        log = record(
            session_events.REVOKED,
            session_uuid=about,
            target="thing:1",
            reason="abuse",
            lost_files=2,
        )
    log.refresh_from_db()
    assert (log.event_type, log.outcome) == ("session.revoked", "success")
    assert (log.session_uuid, log.target) == (about, "thing:1")
    assert (log.actor, log.request_id, log.network) == ("staff:7", "request-1", "203.0.113.0/24")
    assert log.details == {"reason": "abuse", "lost_files": 2}
    assert log.personal.values() == {"address": "203.0.113.77", "user_agent": "Browser/1"}


def test_outside_a_request_the_system_acts_and_there_is_no_personal_part(db: None) -> None:
    with transaction.atomic():
        log = record(events.STAFF_SIGNED_IN)
    assert (log.actor, log.request_id, log.network) == ("system", "", "")
    assert json.loads(log.text)["personal"] is None
    assert not AuditPersonal.objects.exists()


def test_t50_a_detail_that_the_event_does_not_list_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="has no detail e_mail, token"), transaction.atomic():
        record(session_events.ENDED, lost_files=0, token="x", e_mail="y")
    assert not AuditLog.objects.exists()


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", [], object()])
def test_a_detail_that_json_parsers_read_differently_is_refused(db: None, value: Any) -> None:
    with pytest.raises(TypeError), transaction.atomic():
        record(session_events.ENDED, lost_files=value)
    assert not AuditLog.objects.exists()


def test_an_event_type_is_registered_once() -> None:
    assert session_events.ENDED in events.registered()
    with pytest.raises(ValueError, match="registered twice"):
        events.register("session.ended", "again")


@pytest.mark.both
def test_t47_outside_a_transaction_it_is_refused(committed: None) -> None:
    with pytest.raises(EffectWithoutTransaction, match=r"session\.ended"):
        record(session_events.ENDED, lost_files=0)
    assert not AuditLog.objects.exists()


def test_the_columns_equal_the_text(visitor: Visitor, make_staff: Any) -> None:
    make_staff("Support")
    uploaded(visitor)
    visitor.current(headers={"X-Session-UUID": str(uuid.uuid4())})
    visitor.reset()
    visitor.end()
    rows = list(AuditLog.objects.all())
    assert len(rows) >= 6
    for row in rows:
        assert row.text.isascii()
        written = json.loads(row.text)
        assert written.pop("details") == row.details
        personal = written.pop("personal")
        assert (personal is None) == (not AuditPersonal.objects.filter(log=row).exists())
        assert datetime.fromisoformat(written.pop("occurred_at")) == row.occurred_at
        assert written == {
            "event_id": str(row.event_id),
            "event_type": row.event_type,
            "outcome": row.outcome,
            "session_uuid": str(row.session_uuid) if row.session_uuid else None,
            "target": row.target,
            "actor": row.actor,
            "request_id": row.request_id,
            "network": row.network,
        }


def test_two_events_of_one_request_share_its_id(visitor: Visitor) -> None:
    answer = visitor.reset()
    rows = AuditLog.objects.filter(request_id=answer["X-Request-ID"])
    assert sorted(row.event_type for row in rows) == ["session.created", "session.reset"]
    assert started().uuid != visitor.uuid


@pytest.mark.both
@pytest.mark.parametrize("limit", [254, 255, 256])
def test_a_long_target_or_file_name_is_cut_to_the_column(db: None, limit: int) -> None:
    with transaction.atomic():
        log = record(events.STAFF_SIGNED_IN, target="t" * limit, personal=Personal("n" * limit))
    log.refresh_from_db()
    assert len(log.target) == len(log.personal.file_name) == min(limit, 255)


def test_a_row_has_the_class_of_its_type(db: None) -> None:
    with transaction.atomic():
        record(session_events.ERASED)
        record(session_events.CREATED)
    rows = AuditLog.objects.order_by("id").values_list("event_type", "retention")
    assert list(rows) == [("session.erased", "erasure"), ("session.created", "ordinary")]
