"""After an erasure, nothing that a visitor entered, uploaded or sent in a header is stored."""

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now

from audit_app import triggers
from audit_app.models import AuditLog, AuditPersonal
from sessions_app import tasks
from sessions_app.exceptions import SessionInvalid
from sessions_app.models import (
    Consent,
    EmailCode,
    RecoveryCode,
    RetiredToken,
    Scope,
    ServiceKey,
    UserSession,
)
from sessions_app.services.recovery import issue_recovery_code
from sessions_app.services.service_keys import issue_service_key
from tests.helpers import (
    SOAK,
    Visitor,
    age_session,
    at_once,
    code,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.sessions_app.people import (
    CURRENT,
    ask_for_code,
    database_dump,
    erase,
    exported,
    identify,
    log_lines,
    mail_server,
    verify,
)
from tests.sessions_app.support import clone, expire, rival
from tests.uploads_app.cleanup.cleanup_support import settled, use_store
from tests.uploads_app.spooled import Interrupted
from uploads_app.models import ErasureNote, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.deletion import begin_deletion, lapse_upload
from uploads_app.services.inspection import quarantine_upload
from uploads_app.services.recovery import mark_missing
from uploads_app.services.upload import store_upload

BODY = pdf("body", 4000)
ERASED = ["session.erasure_requested", "session.erased"]
# A marker in everything that a visitor can enter or send.
MARKER = "zebrafink"
ADDRESS = "203.0.113.77"
NETWORK = "203.0.113.0/24"
# The label of the page stays in the event: it shows what the visitor agreed to.
WORDING = "2026-01"


def marked_visitor(settings: Any) -> Visitor:
    """Return a visitor behind our proxy who sends the marker wherever possible."""
    settings.TRUSTED_PROXIES = 1
    settings.UPLOAD_MAX_FILES = 20
    settings.UPLOAD_MAX_TOTAL_BYTES = 20 * settings.UPLOAD_MAX_BYTES
    visitor = Visitor(
        REMOTE_ADDR="127.0.0.1",
        HTTP_X_FORWARDED_FOR=ADDRESS,
        HTTP_USER_AGENT=f"Browser {MARKER}",
        HTTP_ACCEPT_LANGUAGE=f"de-{MARKER}",
        HTTP_REFERER=f"https://example.com/?q={MARKER}",
        HTTP_X_REQUEST_ID=f"<{MARKER}>",  # not an id that we would accept from a proxy
    )
    visitor.start()
    visitor.cookies["other"] = MARKER
    with mail_server(settings) as mailbox:
        identify(
            visitor,
            name=f"Anna {MARKER}",
            email=f"{MARKER}@example.com",
            consent={"contact": {"granted": True, "version": WORDING}},
        )
        ask_for_code(visitor)
        verify(visitor, mailbox.sent_code())
    leave_files(visitor)
    assert identify(visitor, email=MARKER, consent={MARKER: {}}).status_code == 400
    assert visitor.reset(reason=MARKER).status_code == 400
    exported(visitor)
    issue_recovery_code(session=visitor.row, reason="lost phone")
    return visitor


def leave_files(visitor: Visitor) -> None:
    """Create a file in each state, with the marker in names, bytes and retry keys."""
    named = {"X-Session-UUID": visitor.uuid, "Idempotency-Key": f"key-{MARKER}"}
    response = visitor.upload(marked("stored"), f"{MARKER} stored.pdf", headers=named)
    assert response.status_code == 201, response.content
    read_as_service(visitor, response.json()["id"])
    visitor.download(response.json()["id"])
    missing, deleted, lapsed, pending, deleting, rejected, quarantined = (
        uploaded(visitor, marked(name), f"{MARKER} {name}.pdf")
        for name in (
            "missing", "deleted", "lapsed", "pending", "deleting", "rejected", "quarantined",
        )
    )  # fmt: skip
    assert visitor.upload(b"no pdf", f"{MARKER} rejected.pdf").status_code == 415
    (store_root() / missing.key).unlink()
    mark_missing(upload=missing)
    quarantine_upload(upload=quarantined, reason="looks odd")
    visitor.delete_upload(str(deleted.pk))
    unfinish(pending)
    unfinish(lapsed)
    lapse_upload(upload=lapsed, reason="lease")  # its object arrived late
    begin_deletion(upload=deleting, among=UploadedFile.objects.all(), reason="visitor")
    unfinish(rejected)
    lapse_upload(upload=rejected, reason="storage_failed")
    (store_root() / rejected.key).unlink()
    UploadedFile.objects.filter(pk=rejected.pk).update(
        status=UploadStatus.REJECTED, deleted_at=Now()
    )
    UploadedFile.objects.filter(pk=quarantined.pk).update(status=UploadStatus.QUARANTINED)
    states = UploadedFile.objects.filter(session=visitor.row).values_list("status", flat=True)
    assert set(states) == set(UploadStatus)


def marked(text: str) -> bytes:
    return pdf(f"{MARKER} {text}")


def unfinish(upload: UploadedFile) -> None:
    """Set a file back to before the last step of its upload, with an expired lease."""
    UploadedFile.objects.filter(pk=upload.pk).update(
        status=UploadStatus.PENDING, sha256="", stored_at=None, lease_expires_at=Now()
    )
    upload.refresh_from_db()


def read_as_service(visitor: Visitor, upload_id: str) -> None:
    """Download a file of the visitor as a service."""
    key = ServiceKey(name="agent", scopes=[Scope.UPLOADS], expires_at=visitor.row.expires_at)
    secret = issue_service_key(key=key)
    address = f"/api/v1/service/sessions/{visitor.uuid}/uploads/{upload_id}/download/"
    response = Visitor().get(address, headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 200
    b"".join(response.streaming_content)  # type: ignore[attr-defined]


def store_dump() -> str:
    """Return the names and the bytes of everything in the store."""
    root = store_root()
    return "\n".join(
        f"{path.relative_to(root)} {path.read_bytes().decode('latin-1') if path.is_file() else ''}"
        for path in sorted(root.rglob("*"))
    )


def assert_not_in(text: str, *markers: str) -> None:
    """Check that no line of a text contains a marker; case is ignored."""
    for marker in markers:
        assert [line for line in text.splitlines() if marker.lower() in line.lower()] == []


def audit_rows() -> list[dict[str, Any]]:
    """Return every column of every audit row."""
    return [dict(row) for row in AuditLog.objects.order_by("id").values()]


def sweep() -> None:
    """Run the worker's tasks: the cleanup of files, then of visitors."""
    settled()
    tasks.forget_visitors()


def test_t50_no_data_of_the_visitor_is_left(db: None, settings: Any) -> None:
    with log_lines() as lines:
        visitor = marked_visitor(settings)
        token, row = visitor.token, visitor.row
        before = audit_rows()
        # The markers are stored before the erasure.
        for dump in (database_dump(), store_dump()):
            assert MARKER in dump
        assert ADDRESS in database_dump()

        assert erase(visitor).status_code == 204

    database = database_dump()
    assert_not_in(database, MARKER, ADDRESS, token, row.token_hash)
    assert_not_in(store_dump(), MARKER)
    assert stored_keys() == set()
    assert_not_in(lines.getvalue(), MARKER, ADDRESS, token)
    assert lines.getvalue().count(CURRENT) > 1
    assert_not_in(repr(cache.__dict__) + repr(getattr(cache, "_cache", "")), MARKER, ADDRESS)
    assert audit_rows()[: len(before)] == before
    assert triggers.missing("default") == []
    assert events(visitor.uuid)[-2:] == ["upload.deleted", "session.erased"]
    assert {events(visitor.uuid).count(event) for event in ERASED} == {1}


def test_t50_only_data_named_on_the_privacy_page_stays(db: None, settings: Any) -> None:
    visitor = marked_visitor(settings)
    before = visitor.row

    erase(visitor)

    row = visitor.row
    assert (row.status, row.name, row.email, row.end_reason) == ("erased", "", "", "")
    assert (row.completed_at, row.token_hash == before.token_hash) == (None, False)
    assert row.erased_at is not None
    assert (row.uuid, row.support_code) == (before.uuid, before.support_code)
    for model in (Consent, EmailCode, RecoveryCode, RetiredToken):
        assert not model._base_manager.exists()
    for file in UploadedFile.objects.all():
        assert (file.name, file.retry_key) == ("", None)
        assert file.status in (UploadStatus.DELETED, UploadStatus.LAPSED, UploadStatus.REJECTED)
        assert file.deleted_at is not None
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
    recorded = store_root() / f"erased/{visitor.uuid}"
    assert recorded.read_bytes() == b""
    assert [path for path in store_root().rglob("*") if visitor.uuid in str(path)] == [recorded]
    assert ErasureNote.objects.values_list("session_uuid", flat=True).get() == row.uuid
    of_visitor = AuditLog.objects.filter(session_uuid=visitor.uuid)
    assert not AuditPersonal.objects.filter(log__in=of_visitor).exists()
    assert NETWORK in set(of_visitor.values_list("network", flat=True))
    (consent,) = of_visitor.filter(event_type="consent.granted")
    assert consent.details == {"purpose": "contact", "version": WORDING}
    sizes = {log.details.get("size") for log in of_visitor.filter(event_type="upload.stored")}
    assert sizes - {None}
    hashes = {log.details.get("sha256") for log in of_visitor.filter(event_type="upload.stored")}
    assert hashlib.sha256(marked("stored")).hexdigest() in hashes


def test_export_after_an_erasure_contains_no_earlier_data(db: None, settings: Any) -> None:
    visitor = marked_visitor(settings)
    erase(visitor)
    assert visitor.cookies["maria_session"].value == ""
    fresh = started()
    text, _ = exported(fresh)
    assert_not_in(text, MARKER, ADDRESS, visitor.uuid)


def test_t14_data_of_another_visitor_stays(visitor: Visitor) -> None:
    other = started()
    identify(other, name="Berta", email="berta@example.com")
    file = uploaded(other)
    uploaded(visitor)

    erase(visitor)
    sweep()

    assert (other.row.name, other.row.email) == ("Berta", "berta@example.com")
    assert other.download(str(file.pk)) == pdf()
    of_other = AuditPersonal.objects.filter(log__session_uuid=other.uuid)
    assert of_other.count() == len(events(other.uuid))


def test_t15_token_of_an_erased_session_is_unknown(visitor: Visitor) -> None:
    tab, before = clone(visitor), clone(visitor)
    identify(visitor, name="Anna")  # creates a retired token too
    tab.cookies["maria_session"] = visitor.token
    erase(visitor)
    unknown_client = clone(visitor)
    unknown_client.cookies["maria_session"] = "mss1_" + "x" * 43

    expected = unknown_client.current()
    for client in (tab, before):
        response = client.current()
        assert (response.status_code, code(response)) == (401, "session_invalid")
        unlike = {"request_id": ""}
        assert response.json() | unlike == expected.json() | unlike
        assert code(erase(client)) == "session_invalid"
        assert client.start().status_code == 201
    assert [events(visitor.uuid).count(event) for event in ERASED] == [1, 1]


def test_erasing_again_in_another_tab_is_not_an_error(visitor: Visitor) -> None:
    tab = clone(visitor)
    with rival(lambda: erase(tab)):
        assert erase(visitor).status_code == 204
    assert [events(visitor.uuid).count(event) for event in ERASED] == [1, 1]


@pytest.mark.parametrize("value", ["true", "1", "yes", "on", "True"])
def test_expired_session_can_be_erased(visitor: Visitor, value: str) -> None:
    uploaded(visitor, name="secret.pdf")
    expire(visitor)

    assert erase(visitor, value).status_code == 204

    assert visitor.row.status == "erased"
    assert stored_keys() == set()
    assert events(visitor.uuid) == [
        "session.created", "upload.stored", "session.expired", "session.erasure_requested",
        "upload.deleted", "session.erased",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["false", "0", "no"])
def test_expired_session_cannot_be_ended(visitor: Visitor, value: str) -> None:
    upload = uploaded(visitor, name="kept.pdf")
    expire(visitor)

    response = erase(visitor, value)

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response.json()["reason"] == "expired"
    assert response.json()["lost"] == {"count": 1, "files": ["kept.pdf"]}
    assert visitor.row.status == "expired"
    assert stored_keys() == {upload.key}


@pytest.mark.parametrize("value", ["maybe", "2", "%00", "true%20x"])
def test_invalid_erase_value_changes_nothing(visitor: Visitor, value: str) -> None:
    upload = uploaded(visitor)

    response = erase(visitor, value)

    assert (response.status_code, code(response)) == (400, "invalid_input")
    assert list(response.json()["errors"]) == ["erase"]
    assert visitor.current().status_code == 200
    assert stored_keys() == {upload.key}
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


def test_t7_erasing_requires_the_header(visitor: Visitor) -> None:
    response = visitor.delete(f"{CURRENT}?erase=true")
    assert (response.status_code, code(response)) == (403, "session_header_required")
    assert visitor.row.status == "active"


# Faults ------------------------------------------------------------------------


def test_cleanup_and_sweep_finish_after_a_storage_failure(visitor: Visitor, settings: Any) -> None:
    upload = uploaded(visitor, name="secret.pdf")

    def fail(key: str) -> None:
        raise OSError("no answer")

    use_store(settings, before_delete=fail)
    assert erase(visitor).status_code == 204

    for _ in range(2):
        assert visitor.row.erased_at is None
        assert UploadedFile.objects.get().status == UploadStatus.DELETING
        assert UploadedFile.objects.get().name == ""
        assert events(visitor.uuid)[-1] == "session.erasure_requested"
        assert not AuditPersonal.objects.filter(log__session_uuid=visitor.uuid).exists()
        assert tasks.forget_visitors() == 0
    use_store(settings)
    settled()
    assert events(visitor.uuid)[-1] == "upload.deleted"
    assert tasks.forget_visitors() == 1

    assert not (store_root() / upload.key).exists()
    assert visitor.row.erased_at is not None
    assert events(visitor.uuid)[-2:] == ["upload.deleted", "session.erased"]
    assert tasks.forget_visitors() == 0


def failing_at(number: int) -> tuple[Callable[..., Any], list[str]]:
    """Return a wrapper that makes statement `number` fail once, and the list of statements seen."""
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not re.match("(SAVEPOINT|RELEASE|ROLLBACK)", sql):
            seen.append(sql)
            if len(seen) == number:
                raise OperationalError("the connection was lost")
        return execute(sql, params, many, context)

    return wrapper, seen


@pytest.mark.both
def test_database_failure_at_any_step_keeps_all_data_or_an_unfinished_erasure(
    committed: None,
) -> None:
    steps = 0
    for number in range(1, 200, 1 if SOAK else 4):
        cache.clear()
        visitor = started()
        visitor.raise_request_exception = False
        identify(visitor, name=MARKER)
        upload = uploaded(visitor, name=f"{MARKER}.pdf")
        wrapper, seen = failing_at(number)
        with connection.execute_wrapper(wrapper):
            response = erase(visitor)
        if len(seen) < number:
            assert response.status_code == 204
            break
        steps += 1
        requested = events(visitor.uuid).count("session.erasure_requested")
        if not requested:
            assert response.status_code >= 400
            assert visitor.row.name == MARKER
            assert visitor.download(str(upload.pk)) == pdf()
            assert erase(visitor).status_code == 204
        sweep()
        assert [events(visitor.uuid).count(event) for event in ERASED] == [1, 1]
        assert events(visitor.uuid).count("upload.deleted") == 1
        assert visitor.row.erased_at is not None
    assert steps > 5
    assert stored_keys() == set()
    assert_not_in(database_dump(), MARKER)


# Concurrent requests -------------------------------------------------------------


def upload_during(visitor: Visitor, meanwhile: Callable[[], Any]) -> None:
    with Interrupted(BODY, meanwhile) as content:
        store_upload(session=visitor.row, content=content, name="secret.pdf")


def age_leases(by: timedelta) -> None:
    UploadedFile.objects.update(lease_expires_at=F("lease_expires_at") - by)


def test_running_upload_leaves_nothing(visitor: Visitor) -> None:
    with pytest.raises(SessionInvalid):
        upload_during(visitor, lambda: erase(visitor))

    row = UploadedFile.objects.get()
    assert (row.status, row.name) == (UploadStatus.LAPSED, "")
    assert stored_keys() == set()
    # The erasure is not reported as done while the writer may still be running.
    assert tasks.forget_visitors() == 0
    assert "session.erased" not in events(visitor.uuid)
    age_leases(timedelta(minutes=16))
    assert tasks.forget_visitors() == 1
    assert events(visitor.uuid)[-1] == "session.erased"
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)


def test_bytes_of_a_dead_writer_are_deleted_before_the_erasure_is_done(
    visitor: Visitor,
) -> None:
    upload = uploaded(visitor, marked("late"))
    UploadedFile.objects.update(
        status=UploadStatus.PENDING,
        sha256="",
        stored_at=None,
        lease_expires_at=Now() + timedelta(hours=1),
    )

    erase(visitor)
    assert tasks.forget_visitors() == 0
    assert stored_keys() == {upload.key}

    age_leases(timedelta(hours=2))
    assert tasks.forget_visitors() == 1
    assert stored_keys() == set()
    assert events(visitor.uuid)[-1] == "session.erased"


def test_sweep_erases_what_a_late_request_recorded(visitor: Visitor) -> None:
    tab = Visitor(REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=MARKER)
    tab.uuid, tab.cookies["maria_session"] = visitor.uuid, visitor.token

    with rival(lambda: erase(visitor)):
        response = identify(tab, name=f"Anna {MARKER}")

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert visitor.row.name == ""
    assert events(visitor.uuid)[-1] == "session.refused"
    assert AuditPersonal.objects.filter(log__session_uuid=visitor.uuid).count() == 1
    tasks.forget_visitors()
    assert_not_in(database_dump(), MARKER, ADDRESS)
    assert [events(visitor.uuid).count(event) for event in ERASED] == [1, 1]


@pytest.mark.parametrize(("hours", "left"), [(23, 0), (25, 1)])
def test_late_requests_are_swept_for_a_day(visitor: Visitor, hours: int, left: int) -> None:
    tab = clone(visitor)
    with rival(lambda: erase(visitor)):
        identify(tab, name="Anna")
    UserSession.objects.update(erased_at=F("erased_at") - timedelta(hours=hours))
    tasks.forget_visitors()
    assert AuditPersonal.objects.filter(log__session_uuid=visitor.uuid).count() == left


@pytest.mark.both
@pytest.mark.slow
def test_sweep_erases_what_concurrent_requests_recorded(committed: None, settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = 20
    for _ in range(20 if SOAK else 3):
        cache.clear()
        visitor = started()
        token, uuid = visitor.token, visitor.uuid
        ready = threading.Barrier(6)

        def act(number: int, token: str = token, uuid: str = uuid, ready: Any = ready) -> None:
            tab = Visitor(HTTP_USER_AGENT=MARKER, REMOTE_ADDR=ADDRESS)
            tab.uuid, tab.cookies["maria_session"] = uuid, token
            ready.wait()
            match number % 3:
                case 0:
                    tab.upload(marked(str(number)), f"{MARKER}.pdf")
                case 1:
                    identify(tab, name=MARKER, email=f"{MARKER}@example.com")
                case 2:
                    erase(tab)

        at_once(6, act)
        row = UserSession.objects.get(pk=uuid)
        assert row.status == "erased"
        age_leases(timedelta(hours=1))
        tasks.forget_visitors()
        assert [events(uuid).count(event) for event in ERASED] == [1, 1]
        assert_not_in(store_dump(), MARKER)
    unlinked = AuditPersonal.objects.filter(log__session_uuid=None)
    unlinked.delete()  # refusals of an unknown token name no session
    assert_not_in(database_dump(), MARKER, ADDRESS)


def test_session_of_400_days_ago_can_be_erased(visitor: Visitor) -> None:
    uploaded(visitor)
    age_session(visitor.row, timedelta(days=400))
    assert erase(visitor).status_code == 204
    assert visitor.row.erased_at is not None
