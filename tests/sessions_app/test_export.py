"""The export of a session as one document, and its activity page by page."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from audit_app.events import activity as activity_sentence
from audit_app.events import registered
from audit_app.models import AuditLog, AuditOutcome
from audit_app.services import record
from common import context
from sessions_app import events as session_events
from sessions_app import tasks
from sessions_app.models import Scope, ServiceKey
from sessions_app.services.service_keys import issue_service_key
from tests.cases import cases
from tests.helpers import SOAK, Visitor, code, events, pdf, started, uploaded
from tests.sessions_app.people import ACTIVITY, ANNA, CURRENT, exported, identify
from tests.sessions_app.support import expire, revoke

MANY = 20_000 if SOAK else 2_000
CONSENT = {"contact": {"granted": True, "version": "2026-01"}}


def activity(visitor: Visitor, address: str = ACTIVITY) -> dict[str, Any]:
    """GET sessions/current/activity/ or a page of it."""
    response = visitor.get(address)
    assert response.status_code == 200, response.content
    page: dict[str, Any] = response.json()
    return page


def add_events(visitor: Visitor, count: int) -> None:
    """Write many events of a session in one statement."""
    template = AuditLog.objects.filter(session_uuid=visitor.uuid).latest("id")
    AuditLog.objects.bulk_create(
        AuditLog(
            occurred_at=timezone.now(),
            event_type=template.event_type,
            outcome=AuditOutcome.SUCCESS,
            session_uuid=visitor.uuid,
            actor=template.actor,
            text=template.text,
        )
        for _ in range(count)
    )


def service_reads(visitor: Visitor, upload_id: Any) -> None:
    """Let a service download a visitor's file."""
    key = ServiceKey(
        name="agent", scopes=[Scope.UPLOADS], expires_at=timezone.now() + timedelta(days=1)
    )
    secret = issue_service_key(key=key)
    address = f"/api/v1/service/sessions/{visitor.uuid}/uploads/{upload_id}/download/"
    response = Visitor().get(address, headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 200, response.content
    b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_the_export_contains_everything(visitor: Visitor) -> None:
    identify(visitor, **ANNA, consent=CONSENT)
    kept = uploaded(visitor, pdf("kept"), "kept.pdf")
    deleted = uploaded(visitor, pdf("gone"), "gone.pdf")
    visitor.delete_upload(str(deleted.pk))

    _, document = exported(visitor)

    assert list(document) == ["session", "consent", "uploads", "events"]
    session = document["session"]
    assert (session["uuid"], session["support_code"]) == (visitor.uuid, visitor.row.support_code)
    assert (session["name"], session["email"]) == tuple(ANNA.values())
    assert (session["status"], session["identity"]) == ("active", "identified")
    assert datetime.fromisoformat(session["created_at"]) <= timezone.now()
    (consent,) = document["consent"]
    assert {"purpose": "contact", **CONSENT["contact"]} == {
        name: consent[name] for name in ("purpose", "granted", "version")
    }
    files = {file["id"]: file for file in document["uploads"]}
    assert files.keys() == {str(kept.pk), str(deleted.pk)}
    assert files[str(kept.pk)]["name"] == "kept.pdf"
    assert files[str(kept.pk)]["sha256"] == kept.sha256
    assert files[str(deleted.pk)]["delete_reason"] == "visitor"
    result = [event["event"] for event in reversed(document["events"])]
    assert result == events(visitor.uuid)
    stored = next(event for event in document["events"] if event["event"] == "upload.stored")
    assert stored["who"] == "you"
    assert stored["personal"]["file_name"] == "gone.pdf"
    assert stored["personal"]["address"] == "127.0.0.1"
    assert stored["details"]["sha256"] == deleted.sha256


def test_t4_the_export_contains_no_secret(visitor: Visitor) -> None:
    identify(visitor, **ANNA)
    text, _ = exported(visitor)
    assert visitor.token not in text
    assert visitor.row.token_hash not in text
    assert "salt" not in text


def test_the_export_is_a_streamed_attachment(visitor: Visitor) -> None:
    response: Any = visitor.get(CURRENT + "export/")
    assert response.streaming
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"] == 'attachment; filename="maria-session.json"'
    assert response["Cache-Control"] == "no-store"
    b"".join(response.streaming_content)


def test_each_export_is_one_event_by_the_visitor(visitor: Visitor) -> None:
    exported(visitor)
    exported(visitor)

    rows = AuditLog.objects.filter(event_type="session.exported")
    assert events(visitor.uuid) == ["session.created", "session.exported", "session.exported"]
    for row in rows:
        # Streaming continues after the request's context has ended; the event must be written before.
        assert row.actor == "visitor"
        assert row.request_id
        assert row.personal.address == "127.0.0.1"


def test_an_aborted_export_is_recorded_too(visitor: Visitor) -> None:
    visitor.get(CURRENT + "export/")  # the stream is not read
    assert events(visitor.uuid)[-1] == "session.exported"


def test_a_long_history_is_streamed_in_pieces(
    visitor: Visitor, django_assert_max_num_queries: Any
) -> None:
    add_events(visitor, MANY)
    response: Any = visitor.get(CURRENT + "export/")

    with django_assert_max_num_queries(4):
        pieces = list(response.streaming_content)

    assert len(pieces) > MANY
    assert max(map(len, pieces)) < 2_000
    assert len(json.loads(b"".join(pieces))["events"]) == MANY + 2


def test_t14_the_export_contains_nothing_of_another_session(visitor: Visitor) -> None:
    other = started()
    identify(other, name="Berta Belle", email="berta@example.org", consent=CONSENT)
    theirs = uploaded(other, pdf("theirs"), "theirs.pdf")

    text, document = exported(visitor)

    for marker in ("Berta", "berta@", "theirs", str(theirs.pk), other.uuid, theirs.sha256):
        assert marker not in text
    assert (document["consent"], document["uploads"]) == ([], [])
    assert other.uuid not in json.dumps(activity(visitor))


def test_staff_are_not_named_but_services_are(visitor: Visitor, make_staff: Any) -> None:
    upload = uploaded(visitor)
    staff = make_staff("Support")
    page = reverse("admin:sessions_app_usersession_recover", args=[visitor.uuid])
    staff.post(page, {"reason": "lost phone"}, REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT="Desk")
    service_reads(visitor, upload.pk)

    text, document = exported(visitor)
    page_of = activity(visitor)["results"]

    assert "203.0.113.77" not in text
    assert "Desk" not in text
    assert staff.user.username not in text
    for result in (document["events"], page_of):
        who = {event["event"]: event["who"] for event in result}
        assert who["session.recovery_issued"] == "support staff"
        assert who["upload.downloaded"] == "service agent"
        assert who["upload.stored"] == "you"
    assert f"staff:{staff.user.pk}" not in text + json.dumps(page_of)


def test_operators_are_shown_as_support_staff_and_tasks_as_the_system(visitor: Visitor) -> None:
    for actor in ("operator:root", "system"):
        with context.as_actor(actor), transaction.atomic():
            record(session_events.CONTACT_ERASED, session_uuid=uuid.UUID(visitor.uuid))

    _, document = exported(visitor)

    assert [event["who"] for event in document["events"]][1:3] == ["the system", "support staff"]
    assert "root" not in json.dumps(document)


def test_activity_lists_events_with_their_file(visitor: Visitor) -> None:
    uploaded(visitor, name="report.pdf")

    page = activity(visitor)

    assert (page["next"], page["previous"]) == (None, None)
    stored, created = page["results"]
    assert stored.keys() == {
        "event_id", "occurred_at", "event", "meaning", "outcome", "who", "file",
    }  # fmt: skip
    assert (stored["event"], stored["file"], stored["who"]) == (
        "upload.stored",
        "report.pdf",
        "you",
    )
    assert stored["meaning"] == "You uploaded report.pdf."
    assert (created["event"], created["meaning"]) == (
        "session.created",
        "You started this session.",
    )
    assert events(visitor.uuid) == ["session.created", "upload.stored"]  # reading writes nothing


# Events of these kinds are about no session, or about a session and not for its visitor.
NOT_FOR_VISITORS = ("cleanup.", "storage.", "system.", "service.", "object.", "staff.", "seal.")


def test_every_event_of_a_session_has_a_sentence_for_its_visitor() -> None:
    sentences = {event.name: event.activity for event in registered()}
    without = [name for name, sentence in sentences.items() if not sentence]
    assert [name for name in without if not name.startswith(NOT_FOR_VISITORS)] == []
    for name, sentence in sentences.items():
        said = activity_sentence(name, who="support staff", file="{who}.pdf")
        assert said.endswith(".")
        assert ("{file}" in sentence) == ("{who}.pdf" in said), name
        assert ("{who}" in sentence) == said.startswith("Support staff"), name


@cases(
    ("event", "who", "file", "sentence"),
    [
        ("upload.stored", "you", "four.pdf", "You uploaded four.pdf."),
        ("upload.deleted", "the system", "four.pdf", "The system deleted four.pdf."),
        ("upload.inspected", "the system", "four.pdf", "four.pdf was inspected."),
        ("upload.inspected", "the system", "", "A file was inspected."),
        ("upload.downloaded", "service agent", "", "Service agent downloaded a file."),
        ("an.old_event", "you", "", ""),
    ],
)
def test_activity_speaks_to_the_visitor(event: str, who: str, file: str, sentence: str) -> None:
    assert activity_sentence(event, who=who, file=file) == sentence


def test_activity_pages_stay_correct_while_events_arrive(visitor: Visitor) -> None:
    add_events(visitor, 249)
    seen: list[str] = []
    address: str | None = ACTIVITY
    sizes = []
    while address:
        page = activity(visitor, address)
        sizes.append(len(page["results"]))
        seen += [event["event_id"] for event in page["results"]]
        add_events(visitor, 3)
        address = page["next"]
    assert sizes == [100, 100, 50]
    assert len(set(seen)) == 250


def test_an_invalid_cursor_is_refused(visitor: Visitor) -> None:
    response = visitor.get(f"{ACTIVITY}?cursor=nonsense")
    assert (response.status_code, code(response)) == (404, "not_found")


def test_export_and_activity_need_a_proof(db: None, make_staff: Any) -> None:
    over, revoked = started(), started()
    expire(over)
    revoke(revoked, make_staff)
    for address in (ACTIVITY, CURRENT + "export/"):
        assert code(Visitor().get(address)) == "session_required"
        assert code(over.get(address)) == "session_invalid"
        assert code(revoked.get(address)) == "session_invalid"
    assert "session.exported" not in events()
    assert tasks.forget_visitors() == 0


@pytest.mark.both
def test_ten_exports_an_hour(visitor: Visitor) -> None:
    for _ in range(10):
        exported(visitor)
    response = visitor.get(CURRENT + "export/")
    assert (response.status_code, code(response)) == (429, "rate_limited")
    assert events(visitor.uuid).count("session.exported") == 10
