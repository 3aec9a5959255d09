"""A change and its event commit together: a failure after both leaves neither.

The failure is injected by Django's own `execute_wrapper`, inside the service's
transaction and right after the statement that writes the event.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from audit_app.models import AuditLog, AuditPersonal
from sessions_app.models import UserSession
from tests.helpers import (
    Visitor,
    age_session,
    age_upload,
    code,
    events,
    pdf,
    plant,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import cleanup, settled, use_store
from uploads_app.models import QuarantinedObject, UploadedFile, UploadQuota, UploadStatus

pytestmark = pytest.mark.both

MODELS = (UserSession, UploadedFile, UploadQuota, AuditLog, AuditPersonal)


class Injected(Exception):
    """An injected failure between the event and the commit."""


@contextmanager
def failing_at(event_type: str) -> Iterator[None]:
    """Fail every transaction right after it writes this event."""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(f'INSERT INTO "{AuditLog._meta.db_table}"') and event_type in params:
            raise Injected
        return result

    with connection.execute_wrapper(fail):
        yield


def world() -> list[Any]:
    """Return everything that a service can change: all rows and all objects."""
    rows = [sorted(map(str, model.objects.values_list())) for model in MODELS]
    return [*rows, stored_keys()]


@pytest.fixture
def guest(db: None) -> Visitor:
    """A visitor with a session, who gets a failing server's response as in production."""
    guest = Visitor(raise_request_exception=False)
    assert guest.start().status_code == 201
    return guest


Act = Callable[[Visitor], Any]


def begin(_: Visitor) -> Any:
    return Visitor(raise_request_exception=False).start()


def revoke(guest: Visitor, staff: Any) -> Any:
    staff.raise_request_exception = False
    return staff.post(f"/admin/sessions_app/usersession/{guest.uuid}/revoke/", {"reason": "abuse"})


@pytest.mark.parametrize(
    ("event", "act"),
    [
        ("session.created", begin),
        ("session.created", Visitor.reset),
        ("session.reset", Visitor.reset),
        ("session.ended", Visitor.end),
    ],
)
def test_t47_a_visitors_change_to_a_session(guest: Visitor, event: str, act: Act) -> None:
    uploaded(guest)
    before = world()
    with failing_at(event):
        assert code(act(guest)) == "internal_error"
    assert world() == before
    assert guest.current().status_code == 200

    written = events().count(event)
    assert act(guest).status_code < 300
    assert events().count(event) == written + 1


def test_t47_a_session_revoked_by_staff(guest: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    before = world()
    with failing_at("session.revoked"):
        assert revoke(guest, staff).status_code == 500
    assert world() == before
    assert guest.current().status_code == 200

    assert revoke(guest, staff).status_code == 302
    assert events(guest.uuid).count("session.revoked") == 1
    assert code(guest.current()) == "session_invalid"


def test_t47_an_expiry_found_by_a_request(guest: Visitor) -> None:
    age_session(guest.row, timedelta(hours=24))
    before = world()
    with failing_at("session.expired"):
        assert code(guest.current()) == "internal_error"
    assert world() == before

    assert code(guest.current()) == "session_invalid"
    assert events(guest.uuid).count("session.expired") == 1


def test_t47_an_expiry_recorded_by_the_sweep(guest: Visitor) -> None:
    age_session(guest.row, timedelta(hours=24))
    before = world()
    with failing_at("session.expired"), pytest.raises(Injected):
        call_command("expire_sessions")
    assert world() == before

    call_command("expire_sessions", verbosity=0)
    assert events(guest.uuid).count("session.expired") == 1


def test_t47_an_upload(guest: Visitor) -> None:
    with failing_at("upload.stored"):
        assert code(guest.upload()) == "internal_error"
    row = UploadedFile.objects.get()
    assert row.status == UploadStatus.PENDING
    assert events(guest.uuid) == ["session.created"]
    assert guest.get("/api/v1/uploads/").json()["results"] == []

    # Nobody knows whether the visitor got a success response, so the upload is completed.
    age_upload(row, timedelta(hours=1))
    call_command("cleanup_orphans", verbosity=0)
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert stored_keys() == {row.key}
    assert events(guest.uuid) == ["session.created", "upload.stored"]
    assert uploaded(guest).status == UploadStatus.STORED


def test_t47_a_deletion(guest: Visitor) -> None:
    upload = uploaded(guest)
    with failing_at("upload.deleted"):
        assert code(guest.delete_upload(str(upload.pk))) == "internal_error"
    assert UploadedFile.objects.get().status == UploadStatus.DELETING
    assert events(guest.uuid) == ["session.created", "upload.stored"]

    call_command("cleanup_orphans", verbosity=0)
    assert UploadedFile.objects.get().status == UploadStatus.DELETED
    assert stored_keys() == set()
    assert events(guest.uuid) == ["session.created", "upload.stored", "upload.deleted"]


def lapsed(guest: Visitor) -> None:
    with failing_at("upload.stored"):
        guest.upload()
    upload = UploadedFile.objects.get()
    age_upload(upload, timedelta(hours=1))
    (store_root() / upload.key).unlink()


def arrived(guest: Visitor) -> None:
    with failing_at("upload.stored"):
        guest.upload()
    age_upload(UploadedFile.objects.get(), timedelta(hours=1))


def missing(guest: Visitor) -> None:
    upload = uploaded(guest)
    age_upload(upload, timedelta(hours=1))
    (store_root() / upload.key).unlink()


def found(guest: Visitor) -> None:
    missing(guest)
    call_command("cleanup_orphans", verbosity=0)
    plant(UploadedFile.objects.get().key, pdf(), timedelta(hours=1))


def late(guest: Visitor) -> None:
    upload = uploaded(guest)
    guest.delete_upload(str(upload.pk))
    plant(upload.key, pdf(), timedelta(hours=1))


def orphan(guest: Visitor) -> None:
    uploaded(guest)
    plant(f"uploads/{guest.uuid}/{uuid.uuid4()}.pdf", pdf(), timedelta(hours=1))


def past_quarantine(guest: Visitor) -> None:
    orphan(guest)
    settled()
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - timedelta(days=8))


def nothing(guest: Visitor) -> None:
    uploaded(guest)


@pytest.mark.parametrize(
    ("event", "arrange"),
    [
        ("upload.lapsed", lapsed),
        ("upload.stored", arrived),
        ("upload.missing", missing),
        ("upload.found", found),
        ("cleanup.completed", nothing),
    ],
)
def test_t47_a_change_by_the_cleanup(
    guest: Visitor, event: str, arrange: Callable[[Visitor], None]
) -> None:
    arrange(guest)
    before, written = world(), events().count(event)
    with failing_at(event), pytest.raises(Injected):
        call_command("cleanup_orphans", verbosity=0)
    assert world() == before

    call_command("cleanup_orphans", verbosity=0)
    assert world() != before
    assert events().count(event) == written + 1
    # The change was made: another run does not find it again.
    call_command("cleanup_orphans", verbosity=0)
    assert events().count(event) == written + (2 if event == "cleanup.completed" else 1)


@pytest.mark.parametrize(
    ("event", "arrange"),
    [
        ("object.quarantined", orphan),
        ("object.quarantined", late),
        ("object.purged", past_quarantine),
    ],
)
def test_t47_the_cleanup_records_a_change_to_an_object_before_making_it(
    guest: Visitor, event: str, arrange: Callable[[Visitor], None]
) -> None:
    """An object cannot be rolled back, so the next run repeats the step and records it once."""
    arrange(guest)
    with failing_at(event), pytest.raises(Injected):
        settled()
    assert event not in events()
    (begun,) = QuarantinedObject.objects.cut_off()

    assert settled("--json").found["unfinished moves"] == {begun.key}
    settled()
    assert events().count(event) == 1
    assert not QuarantinedObject.objects.cut_off().exists()


def test_t47_a_restored_object_is_recorded_before_it_is_moved(guest: Visitor) -> None:
    orphan(guest)
    settled()
    key = QuarantinedObject.objects.get().key
    with failing_at("object.restored"), pytest.raises(Injected):
        call_command("restore_orphans", key)
    assert "object.restored" not in events()
    assert settled("--json").found["unfinished moves"] == {key}
    settled()
    assert events().count("object.restored") == 1
    assert stored_keys() == {key, UploadedFile.objects.get().key}


def test_t47_an_object_that_storage_does_not_delete_is_not_recorded_as_purged(
    guest: Visitor, settings: Any
) -> None:
    past_quarantine(guest)

    def refuse(key: str) -> None:
        raise OSError(5, "Input/output error")

    use_store(settings, before_delete=refuse)
    assert cleanup().exit_code == 1
    assert "object.purged" not in events()
    use_store(settings)
    settled()
    assert events().count("object.purged") == 1


def test_t47_a_cleanup_that_stops(guest: Visitor) -> None:
    uploaded(guest)
    (store_root() / "marker.json").unlink()
    before = world()
    with failing_at("cleanup.stopped"), pytest.raises(Injected):
        call_command("cleanup_orphans", verbosity=0)
    assert world() == before

    with pytest.raises(SystemExit):
        call_command("cleanup_orphans", verbosity=0)
    assert events().count("cleanup.stopped") == 1


def test_t47_each_acknowledged_effect_has_exactly_one_event(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    first = visitor.uuid
    assert visitor.reset().status_code == 201
    assert visitor.end().status_code == 204
    assert visitor.end().status_code in (401, 403)
    assert events(first) == ["session.created", "upload.stored", "upload.deleted", "session.reset"]
    assert events(visitor.uuid) == ["session.created", "session.ended"]
