"""`manage.py seed_demo` writes a consistent invented history and refuses databases with real data."""

import io
import ipaddress
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit_app import events
from audit_app.canonical import canonical_text, commitment
from audit_app.models import AuditLog, AuditPersonal
from demo_app import copies
from demo_app.history.collector import DemoContext
from demo_app.history.sessions import SessionHistories
from demo_app.writing import SeedPlan
from sessions_app.models import SessionStatus, UserSession
from tests.backoffice_app.pages import page_of
from tests.helpers import started, store_root
from uploads_app.inspection.sandbox import inspect_content
from uploads_app.models import (
    CleanupRun,
    Inspection,
    RunStatus,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)

pytestmark = pytest.mark.django_db

DOCUMENTATION = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


def seed(sessions: int = 120, *flags: str) -> str:
    out = io.StringIO()
    call_command("seed_demo", "--sessions", str(sessions), *flags, stdout=out, stderr=out)
    return out.getvalue()


def rebuilt_text(log: AuditLog) -> str:
    """Return the canonical text of a row's columns, details and personal part."""
    part = getattr(log, "personal", None)
    kept = json.loads(log.text)["personal"]
    return canonical_text(
        {
            "event_id": str(log.event_id),
            "occurred_at": log.occurred_at.isoformat(),
            "event_type": log.event_type,
            "outcome": log.outcome,
            "session_uuid": str(log.session_uuid) if log.session_uuid else None,
            "target": log.target,
            "actor": log.actor,
            "request_id": log.request_id,
            "network": log.network,
            "details": log.details,
            "personal": commitment(part.salt, part.values()) if part else kept,
        }
    )


def contents() -> list[Any]:
    """Return every row that a second run must not change."""
    return [
        list(model._default_manager.order_by("pk").values_list())
        for model in (UserSession, UploadedFile, AuditLog, AuditPersonal, CleanupRun)
    ]


@pytest.mark.both
def test_every_audit_row_is_as_record_would_have_written_it() -> None:
    seed(120, "--without-files")
    kinds = {kind.name: kind for kind in events.registered()}
    for log in AuditLog.objects.select_related("personal"):
        assert log.text == rebuilt_text(log)
        assert log.details.keys() <= kinds[log.event_type].keys
        assert log.outcome == kinds[log.event_type].outcome
    times = AuditLog.objects.exclude(event_type__startswith="system.").exclude(
        event_type__in=["cleanup.completed", "cleanup.stopped"]
    )
    about = times.filter(session_uuid__isnull=False).order_by("id")
    assert list(about) == sorted(about, key=lambda log: (log.occurred_at, log.pk))


def test_all_personal_data_is_invented() -> None:
    seed(120, "--without-files")
    addresses = {part.address for part in AuditPersonal.objects.exclude(address="")}
    for address in map(ipaddress.ip_address, addresses):
        assert any(address in network for network in DOCUMENTATION)
    known = UserSession.objects.exclude(email="").values_list("email", flat=True)
    assert known
    assert {email.rpartition("@")[2] for email in known} <= {
        "example.com", "example.org", "example.net",
    }  # fmt: skip
    assert not any(user.has_usable_password() for user in User.objects.all())


def test_sessions_and_files_match_their_events() -> None:
    seed(300, "--without-files")
    assert {status for status, _ in SessionStatus.choices} == set(
        UserSession.objects.values_list("status", flat=True)
    )
    for session in UserSession.objects.select_related("predecessor"):
        history = AuditLog.objects.filter(session_uuid=session.pk).order_by("id")
        kinds = [log.event_type for log in history]
        assert kinds[0] == "session.created"
        assert history[0].occurred_at == session.created_at
        ended = {"expired", "ended", "revoked", "erased"} & {session.status}
        assert all(f"session.{status}" in kinds for status in ended)
        if session.predecessor:
            assert AuditLog.objects.filter(
                session_uuid=session.predecessor_id, event_type="session.reset"
            ).exists()
        kept = session.uploads.exclude(status__in=["lapsed", "rejected", "deleting", "deleted"])
        quota = UploadQuota.objects.filter(session=session).first()
        assert (quota.files if quota else 0) == kept.count()
    erased = UserSession.objects.filter(status=SessionStatus.ERASED).values("pk")
    about_erased = AuditPersonal.objects.filter(log__session_uuid__in=erased)
    assert not about_erased.exclude(log__actor__startswith="staff:").exists()
    assert not UploadedFile.objects.filter(session__in=erased).exclude(name="").exists()


def test_files_are_in_the_store_and_the_cleanup_finds_no_mismatch(
    admin_client: Client,
) -> None:
    seed()
    stored = UploadedFile.objects.filter(status=UploadStatus.STORED)
    assert stored
    for upload in stored.exclude(inspection=Inspection.WAITING)[:3]:
        with (store_root() / upload.key).open("rb") as content:
            found = inspect_content(content)
        assert (found.verdict, list(found.suspicions)) == (upload.inspection, upload.suspicions)
    session = stored[0].session
    assert admin_client.get(page_of(session)).status_code == 200
    out = io.StringIO()
    call_command("cleanup_orphans", "--json", stdout=out)
    run = CleanupRun.objects.order_by("-pk")[0]
    assert run.status == RunStatus.COMPLETED
    assert not {"objects without a row", "rows without an object"} & run.findings.keys()


def test_a_second_run_adds_rows_and_changes_none() -> None:
    seed(40)
    before = contents()
    seed(40)
    for rows, kept in zip(contents(), before, strict=True):
        assert set(map(str, kept)) <= set(map(str, rows))
    assert UserSession.objects.count() == 80


def test_without_files_only_rows_are_written() -> None:
    result = seed(60, "--without-files")
    assert "no bytes" in result
    assert UploadedFile.objects.filter(status=UploadStatus.STORED).exists()
    assert not list(store_root().rglob("*"))


def test_the_same_seed_generates_the_same_people() -> None:
    world = DemoContext(timezone.now(), [1], [1], with_files=False)
    names = []
    for word in ("a", "a", "b"):
        plan = SeedPlan(world, 30, word, 0)
        rows = SessionHistories(plan.random(0), world, range(30), 30).generate(0)
        names.append([(session.pk, session.name) for session in rows.sessions])
    assert names[0] == names[1] != names[2]


def test_a_database_with_real_sessions_is_refused_and_unchanged() -> None:
    started()
    before = contents()
    with pytest.raises(CommandError, match="may belong to real people"):
        seed(10)
    assert contents() == before
    assert not User.objects.exists()


def test_production_is_refused_and_unchanged(settings: Any) -> None:
    settings.PRODUCTION, settings.PUBLIC_URL = True, "https://maria.example.com"
    with pytest.raises(CommandError, match="production database"):
        seed(10)
    assert not AuditLog.objects.exists()


def test_a_demo_with_a_visitors_session_can_be_seeded_again() -> None:
    seed(10, "--without-files")
    visitor = started()
    seed(10, "--without-files")
    assert UserSession.objects.count() == 21
    assert visitor.current().status_code == 200


def test_too_many_files_are_refused() -> None:
    with pytest.raises(CommandError, match="without-files"):
        seed(20_001)
    assert not AuditLog.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="copies need PostgreSQL")
def test_postgresql_copies_a_small_history_with_other_identifiers() -> None:
    seed(40, "--without-files")
    sessions = list(UserSession.objects.values_list("pk", flat=True))
    before = AuditLog.objects.filter(session_uuid__isnull=False)
    left_out = before.filter(event_type__in=[event.name for event in copies.LEFT_OUT]).count()
    result = before.count() - left_out
    files = UploadedFile.objects.count()
    list(copies.copy(sessions, 3, first_code=1000, jobs=1))
    assert UserSession.objects.count() == 4 * 40
    assert UploadedFile.objects.count() == 4 * files
    about = AuditLog.objects.filter(session_uuid__isnull=False)
    assert about.count() == 4 * result + left_out
    for log in about.select_related("personal"):
        assert log.text == rebuilt_text(log)
    created = about.filter(event_type="session.created")
    for log in created:
        session = UserSession.objects.get(pk=str(log.session_uuid))
        assert log.details["support_code"] == session.support_code
        assert log.occurred_at == session.created_at
    for log in about.filter(event_type="upload.stored"):
        upload = UploadedFile.objects.get(pk=log.target.removeprefix("upload:"))
        assert upload.sha256 == log.details["sha256"]
        assert upload.key == f"uploads/{upload.session_id}/{upload.pk}.pdf"
