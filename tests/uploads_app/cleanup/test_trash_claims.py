"""The trash keeps no object that a file claims, whichever database, person or process put it there."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.helpers import (
    SOAK,
    Visitor,
    age_path,
    age_upload,
    pdf,
    plant,
    started,
    store_root,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    SHA,
    DatabaseBackup,
    Events,
    change,
    cleanup,
    many,
    new_key,
    quotas_fit,
    restore,
    settled,
    stored,
    trashed_object,
    use_store,
)
from tests.uploads_app.cleanup.fault_store import (
    Fault,
    FaultInjectingStore,
    FaultInjector,
    Point,
    ProcessKilled,
)
from uploads_app.cleanup import trash_entries
from uploads_app.models import (
    QuarantinedObject,
    StoreState,
    TrashStatus,
    UploadedFile,
    UploadStatus,
)
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.both

BODY = pdf("a file that must not be lost")


@pytest.fixture(autouse=True)
def live(db: None) -> UploadedFile:
    """A live file, so that store and database belong together."""
    return stored()


@pytest.fixture
def anna(live: UploadedFile) -> Visitor:
    return started()


def kept(visitor: Visitor) -> UploadedFile:
    """Upload a file that is too old to be left alone as a young one."""
    upload = uploaded(visitor, BODY)
    age_upload(upload, 2 * HOUR)
    return upload


def forget(upload: UploadedFile) -> list[Any]:
    """Delete the row of a file, as an older database would not have it; return it."""
    rows = list(UploadedFile.objects.filter(pk=upload.pk))
    UploadedFile.objects.filter(pk=upload.pk)._raw_delete("default")
    return rows


def in_trash(key: str) -> bool:
    return (store_root() / quarantine_key(key)).exists()


def pass_a_week() -> None:
    """Let the retentions of the trash and after an adoption end."""
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - 8 * DAY)
    StoreState.objects.update(adopted_at=F("adopted_at") - 8 * DAY)


def assert_served(visitor: Visitor, upload: UploadedFile) -> None:
    """Check that a file can be downloaded, now and after a week."""
    for _ in range(2):
        assert visitor.download(str(upload.pk)) == BODY
        assert not in_trash(upload.key)
        assert UploadedFile.objects.get(pk=upload.pk).status == UploadStatus.STORED
        assert quotas_fit()
        pass_a_week()
        settled()


@pytest.mark.parametrize("is_in_backup", [True, False], ids=["known file", "only its session"])
def test_t55_an_older_backup_is_adopted_and_then_a_newer_one(
    live: UploadedFile, is_in_backup: bool
) -> None:
    older = DatabaseBackup()
    anna = started()
    upload = kept(anna) if is_in_backup else None
    newer = DatabaseBackup()
    upload = upload or kept(anna)
    settled()

    older.restore()
    assert cleanup("--adopt", "--yes").exit_code == 0
    settled()
    assert in_trash(upload.key)

    newer.restore()
    plan = cleanup("--adopt", "--dry-run").out
    assert f"restore {int(not is_in_backup)} files" in plan
    assert f"move {int(is_in_backup)} objects of known files from the trash" in plan
    events = Events()
    assert cleanup("--adopt", "--yes").exit_code == 0
    assert ("object.restored", upload.key, {"size": len(BODY)}) in events.new()
    assert_served(anna, upload)


# The columns of an entry in each state; None: no entry.
ENTRIES: dict[str, dict[str, Any] | None] = {
    "in the trash": {},
    "past its retention": {"quarantined_at": F("quarantined_at") - 8 * DAY},
    "moving": {"status": TrashStatus.QUARANTINING},
    "being purged": {"status": TrashStatus.PURGING},
    "being restored": {"status": TrashStatus.RESTORING},
    "restored": {"status": TrashStatus.RESTORED},
    "purged": {"status": TrashStatus.PURGED},
    "unknown": None,
}
STATUSES = ("stored", "missing", "quarantined", "pending")


def test_t55_rows_that_are_brought_back_by_hand_get_their_objects_back() -> None:
    """Rows in each state that claims an object, with an entry in each state."""
    cases = [(status, name) for status in STATUSES for name in ENTRIES]
    uploads = dict(zip(cases, many(len(cases), per_session=1), strict=True))
    rows = [row for upload in uploads.values() for row in forget(upload)]
    settled()
    assert all(in_trash(upload.key) for upload in uploads.values())
    for (_, name), upload in uploads.items():
        trashed = QuarantinedObject.objects.filter(key=upload.key)
        entry = ENTRIES[name]
        trashed.delete() if entry is None else trashed.update(**entry)
    UploadedFile.objects.bulk_create(rows)
    for (status, _), upload in uploads.items():
        change(upload, status=status, sha256="" if status == "pending" else SHA)
    events = Events()

    settled()
    settled()

    ends = {"missing": ["upload.found"], "pending": ["upload.stored"]}
    new = events.new()
    for (status, name), upload in uploads.items():
        assert (store_root() / upload.key).exists(), (status, name)
        assert not in_trash(upload.key), (status, name)
        row = UploadedFile.objects.get(pk=upload.pk)
        assert row.status == (status if status == "quarantined" else "stored"), (status, name)
        assert QuarantinedObject.objects.get(key=upload.key).status == TrashStatus.RESTORED
        about = [kind for kind, target, _ in new if target in (upload.key, f"upload:{upload.pk}")]
        assert about == ["object.restored", *ends.get(status, [])], (status, name)


def test_t55_an_object_is_not_purged_while_a_file_claims_its_key(anna: Visitor) -> None:
    """Not even if another object has its key, so that it cannot be moved back."""
    upload = kept(anna)
    rows = forget(upload)
    settled()
    plant(upload.key, b"%PDF-1.4 another")
    UploadedFile.objects.bulk_create(rows)
    for _ in range(2):
        pass_a_week()
        assert settled("--json").found == {}
    assert (store_root() / quarantine_key(upload.key)).read_bytes() == BODY
    assert (store_root() / upload.key).read_bytes() == b"%PDF-1.4 another"


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "not moved"])
def test_t55_an_unfinished_move_of_an_object_that_got_a_row_is_undone(
    anna: Visitor, settings: Any, moved: bool
) -> None:
    """An adoption can be killed in the middle, and the next one creates the row."""
    upload = kept(anna)
    rows = forget(upload)

    def die(key: str) -> None:
        if not moved:
            raise ProcessKilled

    use_store(settings, before_move=die)
    with killed_before_the_note(), pytest.raises(ProcessKilled):
        cleanup()
    use_store(settings)
    StoreState.objects.update(lease_holder="", lease_expires_at=None)
    assert in_trash(upload.key) is moved
    assert QuarantinedObject.objects.get().status == TrashStatus.QUARANTINING
    UploadedFile.objects.bulk_create(rows)

    assert settled("--json").found == {"unfinished moves": {upload.key}}
    assert_served(anna, upload)


@contextmanager
def killed_before_the_note() -> Iterator[None]:
    """Kill the process after it moved an object, before it records that."""

    def kill(steps: object) -> None:
        raise ProcessKilled

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trash_entries, "close", kill)
        yield


# Frozen processes -------------------------------------------------------------


def frozen_before_move(settings: Any, meanwhile: Callable[[], object]) -> None:
    """Freeze the next run before it moves an object, until its lease is over and others have worked."""
    frozen: list[str] = []

    def wait(key: str) -> None:
        if not frozen:
            frozen.append(key)
            StoreState.objects.update(lease_holder="", lease_expires_at=None)
            meanwhile()

    use_store(settings, before_move=wait)


def test_t59_a_run_that_was_frozen_in_a_move_does_not_undo_a_restore(settings: Any) -> None:
    key = new_key()
    plant(key, BODY, HOUR)

    def others() -> None:
        settled()
        assert restore(key).exit_code == 0

    frozen_before_move(settings, others)
    cleanup()
    use_store(settings)
    assert (store_root() / key).read_bytes() == BODY
    assert not in_trash(key)
    assert QuarantinedObject.objects.get().status == TrashStatus.RESTORED
    assert AuditLog.objects.filter(target=key).latest("id").event_type == "object.restored"
    assert settled("--json").found == {"restored objects left alone": {key}}


@pytest.mark.parametrize("others_run", [True, False])
def test_t59_a_run_that_was_frozen_in_a_move_does_not_take_the_object_of_a_file(
    anna: Visitor, settings: Any, others_run: bool
) -> None:
    upload = kept(anna)
    rows = forget(upload)

    def others() -> None:
        UploadedFile.objects.bulk_create(rows)
        if others_run:
            settled()

    frozen_before_move(settings, others)
    cleanup()
    use_store(settings)
    assert_served(anna, upload)


@pytest.mark.parametrize("status", [TrashStatus.RESTORED, TrashStatus.PURGED, None], ids=str)
def test_t59_a_run_that_was_killed_after_a_late_move_leaves_nothing_unknown_in_the_trash(
    status: TrashStatus | None,
) -> None:
    """Nobody was there to check again, so the next run compares the trash with its entries."""
    key = trashed_object(body=BODY)
    QuarantinedObject.objects.update(status=status or "purged", reason="gone")
    if status is None:
        QuarantinedObject.objects.all().delete()
    dry = settled("--dry-run", "--json").document["findings"]
    assert settled("--json").document["findings"] == dry
    entry = QuarantinedObject.objects.get()
    if status == TrashStatus.RESTORED:
        assert dry[0]["kind"] == "files in the trash"
        assert (store_root() / key).read_bytes() == BODY
    else:
        assert dry[0]["kind"] == "unrecorded objects in the trash"
        assert (entry.status, entry.reason) == ("quarantined", "no_row")
        assert abs(entry.quarantined_at - timezone.now()) < HOUR
        assert restore(key).exit_code == 0
    assert settled("--json").found == {"restored objects left alone": {key}}


# Whoever began a step has done it -----------------------------------------------


def test_a_restore_that_another_process_finishes_is_recorded_for_who_began_it(
    make_staff: Any,
) -> None:
    key = trashed_object(body=BODY)
    client = make_staff("Operator")
    chosen = str(QuarantinedObject.objects.get().pk)
    page = reverse("admin:uploads_app_quarantinedobject_give_back")
    with killed_before_the_note(), pytest.raises(ProcessKilled):
        client.post(page, {"chosen": chosen})
    assert (store_root() / key).read_bytes() == BODY
    assert not AuditLog.objects.filter(event_type="object.restored").exists()

    settled()

    event = AuditLog.objects.get(event_type="object.restored")
    assert (event.target, event.actor) == (key, f"staff:{client.user.pk}")
    assert QuarantinedObject.objects.get().actor == f"staff:{client.user.pk}"


# Erased sessions ----------------------------------------------------------------


def test_objects_of_an_erased_session_do_not_wait_in_the_trash(anna: Visitor) -> None:
    first = f"uploads/{anna.uuid}/{uuid.uuid4()}.pdf"
    plant(first, BODY, HOUR)
    settled()
    assert in_trash(first)
    assert anna.erase().status_code == 204
    assert not UserSession.objects.get(pk=anna.uuid).erased_at
    late = f"uploads/{anna.uuid}/{uuid.uuid4()}.pdf"
    age_path(plant(late, BODY), HOUR)
    settled()
    assert not [path for path in store_root().rglob("*.pdf") if anna.uuid in str(path)]
    reasons = set(QuarantinedObject.objects.values_list("status", "reason"))
    assert reasons == {("purged", "session_erased")}


def test_an_erasure_also_removes_what_was_restored_without_a_row(anna: Visitor) -> None:
    key = f"uploads/{anna.uuid}/{uuid.uuid4()}.pdf"
    plant(key, BODY, HOUR)
    settled()
    assert restore(key).exit_code == 0
    age_path(store_root() / key, HOUR)
    settled()
    assert (store_root() / key).exists()

    assert anna.erase().status_code == 204
    settled()

    assert not [path for path in store_root().rglob("*.pdf") if anna.uuid in str(path)]
    logs = AuditLog.objects.filter(target=key).order_by("id")
    assert [*logs.values_list("event_type", flat=True)] == [
        "object.quarantined",
        "object.restored",
        "object.quarantined",
        "object.purged",
    ]


# Frozen at every step -------------------------------------------------------------


STEPS: list[tuple[Point, bool]] = [("move", False), ("move", True), ("commit", True)]
if SOAK:
    STEPS += [("write", False), ("describe", False), ("describe", True)]


@pytest.mark.parametrize(("point", "after"), STEPS)
def test_t59_a_run_that_is_frozen_at_any_step_takes_nothing_from_a_file(
    settings: Any, point: Point, after: bool
) -> None:
    """Meanwhile its lease ends, rows come back, another run works, and staff restore everything."""
    options = {"location": store_root(), "faults": (faults := FaultInjector())}
    backend = f"{FaultInjectingStore.__module__}.{FaultInjectingStore.__qualname__}"
    settings.STORAGES = {**settings.STORAGES, "uploads": {"BACKEND": backend, "OPTIONS": options}}
    for number in range(1, 100):
        [upload], orphan = many(1), new_key()
        rows = forget(upload)
        plant(orphan, BODY, HOUR)
        worked: list[bool] = []

        def work(rows: list[Any] = rows, worked: list[bool] = worked) -> None:
            StoreState.objects.update(lease_holder="", lease_expires_at=None)
            UploadedFile.objects.bulk_create(rows)
            settled()
            restore("--all")
            worked.append(True)

        def others(work: Callable[[], None] = work, worked: list[bool] = worked) -> None:
            """Work now, or after the frozen run if it has locks."""
            if connection.savepoint_ids:
                worked.append(False)
            else:
                work()

        with faults.injecting(Fault(point, number, "meanwhile", after), others):
            cleanup()
        if not worked:
            break
        if worked == [False]:
            work()
        StoreState.objects.update(lease_holder="", lease_expires_at=None)
        settled()
        entry = QuarantinedObject.objects.filter(key=orphan).first()
        places = (orphan, quarantine_key(orphan))
        assert [(store_root() / place).exists() for place in places] == (
            [False, True] if entry and entry.status == "quarantined" else [True, False]
        ), number
        assert (store_root() / upload.key).exists(), number
        assert not in_trash(upload.key), number
        assert UploadedFile.objects.get(pk=upload.pk).status == "stored"
        restore("--all")
        (store_root() / orphan).unlink()
    assert number > 2
