"""Helpers of the cleanup's tests: calls of the commands, files in each state, faulty stores, snapshots."""

import io
import json
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.cache import cache
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from audit_app import triggers
from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.databases import lift_triggers
from tests.helpers import age_session, age_upload, plant, started, store_root, uploaded
from uploads_app.cleanup.findings import FindingKind
from uploads_app.models import (
    IN_QUOTA,
    CleanupRun,
    QuarantinedObject,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)
from uploads_app.services.deletion import begin_deletion, delete_upload, lapse_upload
from uploads_app.storage.base import ListedObject, ListingIncomplete, Marker, StoredObject
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import MARKER, PREFIX, object_key

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHA = "0" * 64
_KINDS = "|".join(FindingKind)
_LINE = re.compile(rf"(?P<kind>{_KINDS}): (?P<key>\S.*)  \d.*")
_SUM = re.compile(
    rf"(?P<count>\d+) (?P<kind>{_KINDS})(, (would be )?(deleted|moved to the trash|marked as (missing|stored)))?"
)


@dataclass(frozen=True)
class CommandResult:
    """The result of one call of a command."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The object that `--json` printed."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def found(self) -> dict[str, set[str]]:
        """The keys under each heading of `--json`."""
        found = defaultdict(set)
        for item in self.document["findings"]:
            found[item["kind"]].add(item["key"])
        return dict(found)

    @property
    def headings(self) -> dict[str, set[str]]:
        """The keys that the text reports of each kind. Checks the counts of a run that completed."""
        found: dict[str, set[str]] = defaultdict(set)
        for line in self.out.splitlines():
            if match := _LINE.fullmatch(line):
                found[match["kind"]].add(match["key"])
        counts = {
            m["kind"]: int(m["count"]) for m in map(_SUM.fullmatch, self.out.splitlines()) if m
        }
        if self.exit_code != 3:
            assert counts == {kind: len(keys) for kind, keys in found.items()}
        return dict(found)


def cleanup(*arguments: str) -> CommandResult:
    """Call `manage.py cleanup_orphans` with the arguments."""
    return _called("cleanup_orphans", *arguments)


def _called(command: str, *arguments: str) -> CommandResult:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(command, *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as stop:
        return CommandResult(int(stop.code or 0), out.getvalue(), err.getvalue())
    return CommandResult(0, out.getvalue(), err.getvalue())


def restore(*arguments: str) -> CommandResult:
    """Call `manage.py restore_orphans` with the arguments."""
    return _called("restore_orphans", *arguments)


def settled(*arguments: str) -> CommandResult:
    """Run the cleanup and check that it succeeds."""
    result = cleanup(*arguments)
    assert result.exit_code == 0, result
    return result


def last_run() -> CleanupRun:
    """Return the newest CleanupRun."""
    run = CleanupRun.objects.order_by("-id").first()
    assert run is not None
    return run


def tables() -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table except CleanupRun."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model is not CleanupRun
    }


def store_contents() -> dict[str, tuple[bytes, float] | None]:
    """Return every folder and file of the store, with bytes and modification times."""
    root = store_root()
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime)
        if path.is_file()
        else None
        for path in sorted(root.rglob("*"))
    }


def snapshot() -> tuple[Any, Any]:
    """Return everything that a run could change except CleanupRun: every table and the store."""
    return tables(), store_contents()


class Events:
    """The audit events written since this object was created."""

    def __init__(self) -> None:
        self._last = AuditLog.objects.order_by("-id").values_list("id", flat=True).first() or 0

    def new(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return type, target and details of each, in a stable order."""
        rows = AuditLog.objects.filter(id__gt=self._last)
        return sorted(
            ((row.event_type, row.target, row.details) for row in rows), key=lambda r: r[:2]
        )

    def types(self) -> list[str]:
        """Return their types, sorted."""
        return [row[0] for row in self.new()]


def quotas_fit() -> bool:
    """Return whether every quota is the sum of its session's rows."""
    kept: dict[uuid.UUID, list[int]] = defaultdict(lambda: [0, 0])
    for session, size in UploadedFile.objects.filter(status__in=IN_QUOTA).values_list(
        "session_id", "size"
    ):
        kept[session][0] += 1
        kept[session][1] += size
    return all(kept[q.session_id] == [q.files, q.bytes] for q in UploadQuota.objects.all())


# Files in each state ---------------------------------------------------------


def stored(age: timedelta = 2 * HOUR) -> UploadedFile:
    """A visitor's file, uploaded `age` ago into a session of its own."""
    cache.clear()  # so that the limit of new sessions does not apply
    upload = uploaded(started())
    age_upload(upload, age)
    upload.refresh_from_db()
    return upload


def change(upload: UploadedFile, **values: Any) -> UploadedFile:
    """Set columns of a file's row to the values that a crash or time would leave."""
    UploadedFile.objects.filter(pk=upload.pk).update(**values)
    upload.refresh_from_db()
    return upload


def pending(lease: timedelta, has_object: bool = False) -> UploadedFile:
    """An upload that was interrupted before its last step, with `lease` left (negative: expired)."""
    upload = change(
        stored(),
        status=UploadStatus.PENDING,
        sha256="",
        stored_at=None,
        lease_expires_at=timezone.now() + lease,
    )
    if not has_object:
        remove_object(upload)
    return upload


def deleting() -> UploadedFile:
    """A file whose deletion has started, and whose object still exists."""
    upload = stored()
    assert begin_deletion(upload=upload, among=UploadedFile.objects.all(), reason="visitor")
    return upload


def of_session_ended(ago: timedelta) -> UploadedFile:
    """A file whose session was reset that long ago."""
    visitor = started()
    upload = uploaded(visitor)
    session = visitor.row
    assert visitor.reset().status_code == 201
    age_session(session, ago)
    age_upload(upload, ago)
    cache.clear()
    upload.refresh_from_db()
    return upload


def closed_with_object(age: timedelta, status: UploadStatus = UploadStatus.DELETED) -> UploadedFile:
    """A deleted or lapsed file whose bytes arrived late, that long ago."""
    if status == UploadStatus.DELETED:
        upload = stored()
        delete_upload(upload=upload)
    else:
        upload = pending(-HOUR)
        lapse_upload(upload=upload, reason="storage_failed")
    plant(upload.key, age=age)
    upload.refresh_from_db()
    return upload


def orphan(age: timedelta = HOUR, body: bytes = b"%PDF-1.4 planted") -> str:
    """Create an orphan, last written that long ago; return its key."""
    plant(key := new_key(), body, age)
    return key


def trashed_object(ago: timedelta = timedelta(0), body: bytes = b"%PDF-1.4 planted") -> str:
    """Create an object that the cleanup moved to the trash that long ago; return its original key."""
    key = orphan(body=body)
    settled()
    QuarantinedObject.objects.filter(key=key).update(quarantined_at=timezone.now() - ago)
    return key


def remove_object(upload: UploadedFile) -> None:
    """Delete a file's object from the store without the product."""
    path = store_root() / upload.key
    path.unlink()
    path.parent.rmdir()


def new_key() -> str:
    """Return a well-formed key that belongs to no row."""
    return object_key(uuid.uuid4(), uuid.uuid4(), "pdf")


def many(
    count: int,
    status: UploadStatus = UploadStatus.STORED,
    *,
    age: timedelta = 2 * HOUR,
    ended: timedelta | None = None,
    objects: bool = True,
    per_session: int = 3,
) -> list[UploadedFile]:
    """Create that many files without the API, for tests that need large numbers."""
    now = timezone.now()
    sessions = UserSession.objects.bulk_create(
        UserSession(
            token_hash=uuid.uuid4().hex * 2,
            status="reset" if ended else "active",
            created_at=now - age,
            expires_at=now + DAY,
            ended_at=now - ended if ended else None,
        )
        for _ in range(-(-count // per_session))
    )
    kept = status in IN_QUOTA
    files = []
    for number in range(count):
        session, own = sessions[number // per_session], uuid.uuid4()
        files.append(
            UploadedFile(
                id=own,
                session=session,
                key=object_key(session.uuid, own, "pdf"),
                name="report.pdf",
                status=status,
                size=10,
                sha256="" if status in (UploadStatus.PENDING, UploadStatus.LAPSED) else SHA,
                content_type="application/pdf",
                created_at=now - age,
                stored_at=None
                if status in (UploadStatus.PENDING, UploadStatus.LAPSED)
                else now - age,
                lease_expires_at=now - age,
            )
        )
    UploadedFile.objects.bulk_create(files, batch_size=500)
    UploadQuota.objects.bulk_create(
        UploadQuota(
            session=session,
            files=(number := min(per_session, count - index * per_session)) * kept,
            bytes=10 * number * kept,
        )
        for index, session in enumerate(sessions)
    )
    if objects and status != UploadStatus.PENDING:  # with an object they would be completed
        for file in files:
            plant(file.key, b"0123456789", age)
    return files


class DatabaseBackup:
    """A backup of all rows of sessions and files, but not of the log."""

    def __init__(self) -> None:
        models = [
            model
            for app in ("sessions_app", "uploads_app")
            for model in apps.get_app_config(app).get_models()
        ]
        self._rows = [(model, list(model._base_manager.all())) for model in models]

    def restore(self) -> None:
        for model, _ in self._rows:
            model._base_manager.all()._raw_delete("default")
        for model, rows in self._rows:
            model._base_manager.bulk_create(rows)


class DatabaseCopy(DatabaseBackup):
    """A second, live copy of the database, whose processes use the same store."""

    @contextmanager
    def live(self) -> Iterator[None]:
        """Let the calls inside the block use the copy, and those after it the original."""
        original = DatabaseBackup()
        self.restore()
        try:
            yield
        finally:
            self.__init__()  # type: ignore[misc]  # the copy as it is now
            original.restore()


def age_log(by: timedelta) -> None:
    """Move the times of all audit events back. The triggers that forbid it are off meanwhile."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        lift_triggers()
        QuerySet(AuditLog).update(occurred_at=F("occurred_at") - by)
        triggers.install(connection.alias)
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def clear_store() -> None:
    """Empty the store, its marker included."""
    shutil.rmtree(store_root(), ignore_errors=True)
    store_root().mkdir()


# Stores with faults ----------------------------------------------------------


def _nothing(key: str) -> None:
    """Do nothing."""


class FaultyStore(DiskStore):
    """A disk store with the faults that its options name.

    `before_delete`, `before_list`, `before_describe`, `before_move` and `before_marker` are called
    with a key, and may raise OSError; `break_after` ends a listing early;
    `relist` changes a listing; `clock_off` sets the store's clock wrong.
    """

    def __init__(
        self,
        location: Path,
        *,
        before_delete: Callable[[str], None] = _nothing,
        before_list: Callable[[str], None] = _nothing,
        before_describe: Callable[[str], None] = _nothing,
        before_move: Callable[[str], None] = _nothing,
        before_marker: Callable[[str], None] = _nothing,
        relist: Callable[[list[ListedObject]], Iterable[ListedObject]] = iter,
        break_after: int | None = None,
        clock_off: timedelta = timedelta(0),
    ) -> None:
        super().__init__(location=location)
        self.before_delete, self.before_list = before_delete, before_list
        self.before_move, self.before_marker = before_move, before_marker
        self.before_describe, self.relist = before_describe, relist
        self.break_after, self.clock_off = break_after, clock_off

    def _remove(self, key: str) -> str:
        self.before_delete(key)
        return super()._remove(key)

    def list_keys(self, prefix: str = PREFIX, after: str = "") -> Iterator[ListedObject]:
        for number, listed in enumerate(self._listed(prefix, after)):
            if number == self.break_after:
                raise ListingIncomplete("the connection was lost")
            yield listed
            self.before_list(listed.key)

    def _listed(self, prefix: str, after: str) -> Iterable[ListedObject]:
        listed = super().list_keys(prefix, after)
        return listed if self.relist is iter else self.relist(list(listed))

    def describe(self, key: str) -> StoredObject | None:
        self.before_describe(key)
        return super().describe(key)

    def _move(self, key: str, target: str) -> None:
        self.before_move(key)
        super()._move(key, target)

    def read_marker(self) -> Marker | None:
        self.before_marker(MARKER)
        return super().read_marker()

    def write_marker(self, marker: Marker) -> None:
        self.before_marker(MARKER)
        super().write_marker(marker)

    def clock(self) -> datetime:
        return super().clock() + self.clock_off


def use_store(settings: Any, **options: Any) -> None:
    """Give the store of this test faults; without options it has none."""
    settings.STORAGES = {
        **settings.STORAGES,
        "uploads": {
            "BACKEND": f"{FaultyStore.__module__}.{FaultyStore.__qualname__}",
            "OPTIONS": {"location": Path(storages["uploads"].path("")), **options},
        },
    }
