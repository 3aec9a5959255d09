"""Processes are killed at every crash point of every protocol; one more run finishes the work.

Afterwards no visitor's file is lost, rows, objects and quotas match, nothing is
half-done, and each effect has one event. `crash_points.py` defines where
processes are killed.
"""

import io
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app import tasks
from sessions_app.models import UserSession
from tests.faults.crash_points import (
    LONG_ON_S3,
    ON_DISK,
    ON_S3,
    Work,
    database_cut_at,
    everywhere,
    killed_at,
    store_fails_at,
)
from tests.helpers import Visitor, age_path, events, pdf, started, store_root, uploaded
from tests.sessions_app.people import database_dump
from tests.uploads_app.cleanup.cleanup_support import DAY, HOUR, SHA, cleanup, quotas_fit, settled
from uploads_app.models import (
    IN_QUOTA,
    TAKEOVER_AFTER,
    CleanupRun,
    ErasureNote,
    Finding,
    QuarantinedObject,
    StoreState,
    TrashStatus,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)
from uploads_app.storage import spool
from uploads_app.storage.base import Marker, object_store
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import (
    ERASED,
    INCOMING,
    MARKER,
    PREFIX,
    QUARANTINE,
    erased_key,
    object_key,
    quarantine_key,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

BODY = pdf("killed")
NEVER = timedelta(0)
on_disk = pytest.mark.parametrize("store", ["disk"], indirect=True)
ReportedEvents = Counter[tuple[str, str]]


@pytest.fixture(
    autouse=True, params=[pytest.param("disk", marks=pytest.mark.both), pytest.param("s3")]
)
def store(request: pytest.FixtureRequest, committed: None, settings: Any) -> Iterator[None]:
    """A store of each kind: claimed before each test, emptied after it.

    An object's age in S3 cannot be changed, so the grace period is zero there.
    """
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    if request.param == "s3":
        request.getfixturevalue("s3")
        settings.CLEANUP_GRACE = settings.UPLOAD_LEASE = NEVER
    started().upload(BODY)
    clear_all()
    yield
    clear_all()
    if request.param == "s3":
        object_store().delete(MARKER)


# Protocols ------------------------------------------------------------------


def test_t60_killed_upload() -> None:
    ends: Counter[str] = Counter()

    def attempt(number: int) -> str:
        visitor = visiting()
        point = killed_at(number, lambda: expect(visitor.upload(BODY), 201))
        ends[str(file_of(visitor))] += 1
        converge()
        file = file_of(visitor)
        assert file in (None, "lapsed", "stored")
        assert events(visitor.uuid) == ["session.created"] + [f"upload.{file}"] * bool(file)
        return point

    points = at_every_point(attempt)
    assert ends.keys() == {"None", "pending", "stored"}
    assert len(points) >= 3, points
    if not is_s3():
        assert points[:4] == ["commit", "sync", "link", "commit"]


def test_t55_killed_first_upload() -> None:
    """The first upload writes the marker. A killed one must not make the cleanup stop."""

    def attempt(number: int) -> str:
        StoreState.objects.all().delete()
        object_store().delete(MARKER)
        visitor = visiting()
        point = killed_at(number, lambda: expect(visitor.upload(BODY), 201))
        expect(visitor.upload(BODY), 201)
        converge()
        return point

    assert len(at_every_point(attempt)) >= 6


def test_t60_killed_deletion() -> None:
    ends: Counter[str] = Counter()

    def attempt(number: int) -> str:
        visitor = visiting()
        upload = uploaded(visitor, BODY)
        point = killed_at(number, lambda: expect(visitor.delete_upload(str(upload.pk)), 204))
        ends[str(file_of(visitor))] += 1
        converge()
        assert file_of(visitor) in ("stored", "deleted")
        is_deleted = file_of(visitor) == "deleted"
        result = ["session.created", "upload.stored"] + ["upload.deleted"] * is_deleted
        assert events(visitor.uuid) == result
        return point

    at_every_point(attempt)
    assert ends.keys() == {"stored", "deleting", "deleted"}


def test_t60_killed_erasure() -> None:
    ends: Counter[bool] = Counter()

    def attempt(number: int) -> str:
        visitor = visiting()
        expect(visitor.identify(name="zebrafink"), 200)
        uploaded(visitor, BODY)
        point = killed_at(number, lambda: expect(visitor.erase(), 204))
        has_begun = "session.erasure_requested" in events(visitor.uuid)
        ends[has_begun] += 1
        converge()
        if not has_begun:
            assert (visitor.row.name, file_of(visitor)) == ("zebrafink", "stored")
            expect(visitor.erase(), 204)
        tasks.forget_visitors()
        written = Counter(events(visitor.uuid))
        for event in ("session.erasure_requested", "upload.deleted", "session.erased"):
            assert written[event] == 1
        assert (visitor.row.name, file_of(visitor)) == ("", "deleted")
        assert erased_key(visitor.row.uuid) in keys(ERASED)
        return point

    at_every_point(attempt)
    assert ends.keys() == {False, True}
    assert "zebrafink" not in database_dump()


def test_t39_retry_finishes_a_killed_upload() -> None:
    """The retry is refused for 30 s after the last renewal: the writer may still be alive."""
    ends: Counter[str] = Counter()

    def attempt(number: int) -> str:
        visitor = visiting()

        def send() -> Any:
            return visitor.upload(
                BODY, headers={**visitor.named["headers"], "Idempotency-Key": "5ca1ab1e"}
            )

        point = killed_at(number, lambda: expect(send(), 201))
        ends[str(file_of(visitor))] += 1
        if file_of(visitor) == "pending" and not is_s3():
            expect(send(), 409)
        UploadedFile.objects.update(lease_expires_at=F("lease_expires_at") - TAKEOVER_AFTER)
        answers = [expect(send(), 201).json()["id"] for _ in range(2)]
        assert {*answers} == {str(UploadedFile.objects.get(session=visitor.row).pk)}
        assert events(visitor.uuid) == ["session.created", "upload.stored"]
        converge()
        return point

    at_every_point(attempt)
    assert ends.keys() == {"None", "pending", "stored"}


def test_t60_killed_cleanup() -> None:
    points = at_every_point(lambda number: a_cleanup(number, killed_at, {0}), is_long=True)
    assert len(points) >= (25 // LONG_ON_S3 if is_s3() else 25)


@on_disk
def test_t57_store_that_fails_during_a_cleanup() -> None:
    """The run counts failures or stops, and no row is wrong."""
    assert len(at_every_point(lambda number: a_cleanup(number, store_fails_at, {1, 3}), 1)) >= 10


@on_disk
def test_t56_database_connection_lost_during_a_cleanup() -> None:
    assert len(at_every_point(lambda number: a_cleanup(number, database_cut_at, {3}), 1)) >= 15


def a_cleanup(number: int, strike: Callable[[int, Work], str], exit_codes: set[int]) -> str:
    """Run a cleanup that has work of every kind, with a fault, and then another one.

    A process that survives the fault exits with one of `exit_codes`.
    """

    def work() -> None:
        assert cleanup().exit_code in exit_codes | {0}

    since = last_event()
    expected = scene_for_cleanup()
    point = strike(number, work)
    converge()
    assert events_since(since) == expected
    return point


def test_t60_killed_restore_of_orphans() -> None:
    """The next run finishes an interrupted restore. One killed before it began has no effect."""
    ends: Counter[str] = Counter()

    def attempt(number: int) -> str:
        visiting()
        since, key = last_event(), in_quarantine(TrashStatus.QUARANTINED, for_days=1)
        point = killed_at(number, lambda: restore(key))
        ends[QuarantinedObject.objects.get().status] += 1
        converge()
        if QuarantinedObject.objects.get().status == TrashStatus.QUARANTINED:
            assert not events_since(since)
            restore(key)
        assert keys(PREFIX) == {key}
        converge()
        assert keys(PREFIX) == {key}
        assert events_since(since) == Counter([("object.restored", key)])
        return point

    at_every_point(attempt)
    assert ends.keys() == {"quarantined", "restoring", "restored"}


def test_t60_killed_adoption() -> None:
    """A second adoption finishes the interrupted first one and repeats nothing."""
    ends: Counter[int] = Counter()

    def attempt(number: int) -> str:
        since = last_event()
        expected = scene_for_adoption()
        point = killed_at(number, adopt)
        let_time_pass()
        ends[adopt()] += 1
        converge()
        tasks.forget_visitors()
        assert events_since(since) == expected
        return point

    at_every_point(attempt, is_long=True)
    assert ends.keys() == {0, 3}


def restore(key: str) -> None:
    """Run `manage.py restore_orphans` for one key."""
    call_command("restore_orphans", key, stdout=io.StringIO())


def adopt() -> int:
    """Run `manage.py cleanup_orphans --adopt`; return 0, or 3 if there is nothing to adopt."""
    result = cleanup("--adopt", "--yes")
    assert result.exit_code == 0 or "(nothing_to_adopt)" in result.err, result
    return result.exit_code


# Scenes -------------------------------------------------------------------


def scene_for_cleanup() -> ReportedEvents:
    """Create work of every kind for a cleanup run, and return the expected events."""
    arrived = made(UploadStatus.PENDING)
    ErasureNote.objects.create(session_uuid=uuid.uuid4())
    abandon()
    made(UploadStatus.STORED)
    result = Counter(
        {
            ("upload.stored", target(arrived)): 1,
            ("upload.lapsed", target(made(UploadStatus.PENDING, has_object=False))): 1,
            ("upload.deleted", target(made(UploadStatus.DELETING))): 1,
            ("upload.deleted", target(made(UploadStatus.STORED, ended=8 * DAY))): 1,
            ("upload.missing", target(made(UploadStatus.STORED, has_object=False))): 1,
            ("upload.found", target(made(UploadStatus.MISSING))): 1,
            ("object.quarantined", made(UploadStatus.DELETED).key): 1,
            ("object.quarantined", planted()): 1,
            ("object.restored", in_quarantine(TrashStatus.QUARANTINED, claimed=True)): 1,
            ("object.purged", in_quarantine(TrashStatus.QUARANTINED)): 1,
            ("object.restored", in_quarantine(TrashStatus.RESTORING)): 1,
        }
    )
    let_time_pass()
    return result


def scene_for_adoption() -> ReportedEvents:
    """Make the database look restored from a backup; return the events of its adoption."""
    erased, live = made(UploadStatus.STORED), made(UploadStatus.STORED)
    pending, orphan = made(UploadStatus.PENDING), planted()
    recovered = uuid.uuid4()
    put(object_key(live.session.uuid, recovered, "pdf"))
    object_store().put(erased_key(erased.session.uuid), [])
    state = StoreState.objects.get()
    object_store().write_marker(Marker(str(state.marker_id), state.generation + 5))
    let_time_pass()
    return Counter(
        {
            ("session.erasure_requested", ""): 1,
            ("session.erased", ""): 1,
            ("upload.deleted", target(erased)): 1,
            ("upload.restored", target(pending)): 1,
            ("upload.restored", f"upload:{recovered}"): 1,
            ("system.database_adopted", f"store:{state.marker_id}"): 1,
            ("object.quarantined", orphan): 1,
        }
    )


def made(
    status: UploadStatus, *, ended: timedelta | None = None, has_object: bool = True
) -> UploadedFile:
    """Create a file in its own session, without the API."""
    then, own = timezone.now() - 2 * HOUR, uuid.uuid4()
    with transaction.atomic():
        session = UserSession.objects.create(
            token_hash=uuid.uuid4().hex * 2,
            status="reset" if ended else "active",
            created_at=then,
            expires_at=then + DAY,
            ended_at=then - ended if ended else None,
        )
        in_quota = status in IN_QUOTA
        UploadQuota.objects.create(session=session, files=in_quota, bytes=len(BODY) * in_quota)
        upload = UploadedFile.objects.create(
            id=own,
            session=session,
            key=object_key(session.uuid, own, "pdf"),
            name="report.pdf",
            status=status,
            size=len(BODY),
            sha256="" if status == UploadStatus.PENDING else SHA,
            content_type="application/pdf",
            created_at=then,
            stored_at=None if status == UploadStatus.PENDING else then,
            lease_expires_at=then,
        )
    if has_object:
        put(upload.key)
    return upload


def planted() -> str:
    """Create an orphan and return its key."""
    return put(object_key(uuid.uuid4(), uuid.uuid4(), "pdf"))


def in_quarantine(status: TrashStatus, for_days: int = 8, *, claimed: bool = False) -> str:
    """Create an object that has been in the trash for so many days; return its old key.

    If it is `claimed`, the row of a stored file has its key.
    """
    key = object_key(uuid.uuid4(), uuid.uuid4(), "pdf")
    if claimed:
        key = made(UploadStatus.STORED, has_object=False).key
    put(quarantine_key(key))
    then = timezone.now() - for_days * DAY
    QuarantinedObject.objects.create(
        key=key, size=len(BODY), modified_at=then, status=status, quarantined_at=then
    )
    return key


def abandon() -> None:
    """Leave a half-written file in the store."""
    if is_s3():
        put(f"{INCOMING}/{uuid.uuid4()}/{uuid.uuid4()}.pdf")
    else:
        key = object_key(uuid.uuid4(), uuid.uuid4(), "pdf")
        folder, _, name = key.rpartition("/")
        put(f"{folder}/.{name}.0123456789abcdef.part")


# Checks --------------------------------------------------------------------


def converge() -> None:
    """Let time pass, run the cleanup once, and check that rows and store match."""
    let_time_pass()
    settled()
    rows = UploadedFile.objects.all()
    assert not rows.filter(status__in=(UploadStatus.PENDING, UploadStatus.DELETING)).exists()
    assert not QuarantinedObject.objects.cut_off().exists()
    assert not Finding.objects.exists()
    assert not ErasureNote.objects.filter(recorded_at=None).exists()
    trash_items = QuarantinedObject.objects.values_list("key", "status")
    restored = {key for key, status in trash_items if status == TrashStatus.RESTORED}
    trashed = {quarantine_key(key) for key, status in trash_items if status == "quarantined"}
    kept = set(rows.filter(status__in=(UploadStatus.STORED,)).values_list("key", flat=True))
    assert keys(PREFIX) == kept | restored
    assert keys(QUARANTINE) == trashed
    assert keys(INCOMING) == set()
    for key in kept | restored | trashed:
        with object_store().open(key) as content:
            assert content.read() == BODY
    if not is_s3():
        assert not list(store_root().rglob("*.part"))
    assert quotas_fit()
    spool.sweep(NEVER)
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def let_time_pass() -> None:
    """Expire every lease and age everything in the store."""
    past = timezone.now() - HOUR
    UploadedFile.objects.filter(status=UploadStatus.PENDING).update(lease_expires_at=past)
    StoreState.objects.update(lease_holder="", lease_expires_at=None)
    if not is_s3():
        for path in store_root().rglob("*"):
            if path.is_file():
                age_path(path, HOUR)


def last_event() -> int:
    """Return the id of the newest audit event."""
    return AuditLog.objects.order_by("-id").values_list("id", flat=True).first() or 0


def events_since(event: int) -> ReportedEvents:
    """Return type and target of each event after the given one, without events of runs."""
    rows = AuditLog.objects.filter(id__gt=event).exclude(event_type__startswith="cleanup.")
    return Counter(rows.values_list("event_type", "target"))


def target(upload: UploadedFile) -> str:
    return f"upload:{upload.pk}"


def file_of(visitor: Visitor) -> str | None:
    """Return the status of a visitor's only file, or None."""
    return (
        UploadedFile.objects.filter(session__uuid=visitor.uuid)
        .values_list("status", flat=True)
        .first()
    )


def expect(response: Any, status: int) -> Any:
    """Check the status of a response and return the response."""
    assert response.status_code == status, response.content
    return response


def at_every_point(
    attempt: Callable[[int], str], times: int = 0, *, is_long: bool = False
) -> list[str]:
    """Attempt every crash point, each time from an empty store; return the points.

    A long protocol on S3 is attempted at some points only.
    """

    def from_empty(number: int) -> str:
        clear_all()
        return attempt(number)

    if is_s3():
        return everywhere(from_empty, ON_S3, LONG_ON_S3 if is_long else 1)
    return everywhere(from_empty, times or ON_DISK)


def visiting() -> Visitor:
    """Return a new visitor with unused rate limits."""
    cache.clear()
    return started()


def is_s3() -> bool:
    return not isinstance(object_store(), DiskStore)


def put(key: str) -> str:
    object_store().put(key, [BODY])
    return key


def keys(prefix: str) -> set[str]:
    return {stored.key for stored in object_store().list_objects(prefix)}


def clear_all() -> None:
    """Delete every session and file, and empty the store but for its marker."""
    for model in (
        UploadedFile, UploadQuota, QuarantinedObject, ErasureNote, Finding, CleanupRun, UserSession,
    ):  # fmt: skip
        model._base_manager.all().delete()
    left = [key for prefix in (PREFIX, QUARANTINE, ERASED, INCOMING) for key in keys(prefix)]
    assert object_store().delete_many(left) == {}
