"""Visitors, operators, crashes and time in random order: no promised file is lost.

A Hypothesis state machine uses the public interfaces: the API for visitors, the
commands for operators, the scheduled tasks. Any call can be interrupted at a
named point (its process dies, a step fails, or is frozen until its lease is over
and others have worked), or another call can run in its middle. Time passes by
setting rows and files back; a database is restored by a rollback to a savepoint,
also to an older one and then to a newer one. The model is small: the bytes of each
file that was answered with 201, and every key that ever existed.

After every step each promised file has its bytes, and so has each object in the
trash. After every cleanup each live file can be downloaded, every row and every
deletion has its event, and quotas fit. After a completed cleanup nothing is left
to remove, and the database knows every object in the trash. At the end of each example one more run finishes what was interrupted,
and every key that ever existed is explained.

`./test` takes the same steps each time, those of a seed that finds many mistakes
put into the cleanup on purpose. `CLEANUP_SEED`, printed with a failure, repeats
those of a soak.
"""

import io
import logging
import os
import random
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import time_machine
from django.apps import apps
from django.core.cache import cache as django_cache
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from sessions_app.tasks import expire_sessions, forget_visitors
from tests.helpers import SOAK, Visitor, age_path, pdf, plant, started, stored_keys
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    CommandResult,
    cleanup,
    new_key,
    quotas_fit,
)
from tests.uploads_app.cleanup.fault_store import (
    Fault,
    FaultInjectingStore,
    FaultInjector,
    Point,
    ProcessKilled,
)
from tests.uploads_app.cleanup.machine_backups import MachineBackups
from tests.uploads_app.cleanup.machine_doubts import DoubtfulMoves
from uploads_app.cleanup import apply, reconcile
from uploads_app.cleanup import run as cleanup_module
from uploads_app.cleanup.findings import Ages, FindingKind, due_trash, removable_rows
from uploads_app.cleanup.run_context import CleanupOptions
from uploads_app.models import (
    VISIBLE,
    WITH_OBJECT,
    QuarantinedObject,
    RunStatus,
    StoreState,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.both

MINUTE = timedelta(minutes=1)
GRACE, LEASE, RETENTION = 30 * MINUTE, 15 * MINUTE, 7 * DAY
MAX_VISITORS = 4
# The reasons of entries that are purged before their retention is over, or that never were there.
EARLY = ("session_erased", "gone")
SKIPPED = "Skipped: another run is in progress.\n"

PICKS = st.integers(0, 10**6)
AGES = st.sampled_from([0 * MINUTE, 29 * MINUTE, 31 * MINUTE, 2 * HOUR, 2 * DAY])
TIMES = st.sampled_from([MINUTE, 16 * MINUTE, 31 * MINUTE, 31 * MINUTE, DAY, 3 * DAY, 8 * DAY])
WHATS = st.sampled_from(["dies", "fails", "meanwhile", "meanwhile"])


def _faults(*points: Point, passes: int, writes: int) -> st.SearchStrategy[Fault | None]:
    """Draw the fault of a call: none, or one at a point that it passes."""
    point = st.sampled_from(points)
    return st.one_of(
        st.none(),
        st.builds(Fault, point, st.integers(1, passes), WHATS, st.booleans()),
        st.builds(Fault, point, st.just(1), WHATS, st.booleans()),
        st.builds(
            Fault, st.just("write"), st.integers(1, writes), st.sampled_from(["dies", "fails"])
        ),
        st.builds(Fault, st.just("commit"), st.integers(1, 4), st.just("dies"), st.just(True)),
    )


IN_UPLOAD = _faults("put", passes=1, writes=8)
IN_DELETION = _faults("remove", passes=2, writes=8)
IN_MOVE = _faults("move", "remove", passes=2, writes=8)
IN_ADOPTION = _faults(
    "list", "describe", "describe", "remove", "move", "move", "marker", passes=6, writes=20
)
IN_RUN = _faults("list", "describe", "remove", "move", "marker", passes=4, writes=20)
# How far the store's clock may be behind without stopping a run.
BEHIND = 4 * MINUTE


@dataclass(frozen=True)
class AcceptedUpload:
    """A file that was answered with 201."""

    session: str
    body: bytes

    def key(self, upload_id: str) -> str:
        return f"uploads/{self.session}/{upload_id}.pdf"


@dataclass(frozen=True)
class RowlessFile:
    """A file whose row was deleted by hand, at a time, and can be brought back."""

    row: UploadedFile
    promise: AcceptedUpload
    at: timedelta


class CleanupMachine(DoubtfulMoves):
    """One deployment, its visitors, and what they were promised.

    `elapsed` is the machine's clock: how far all times have been set back.
    """

    def __init__(self, root: Path, faults: FaultInjector) -> None:
        super().__init__()
        self.faults = faults
        self.root = root
        self.visitors: dict[str, Visitor] = {}
        self.promised: dict[str, AcceptedUpload] = {}
        self.acknowledged: dict[str, AcceptedUpload] = {}
        self.lost: dict[str, AcceptedUpload] = {}
        self.cut_off: list[tuple[Visitor, bytes, str]] = []
        self.keys: set[str] = set()
        self.bodies: dict[str, bytes] = {}
        self.moved_to_trash_at: dict[str, timedelta] = {}
        self.given_back: dict[str, bytes] = {}
        self.young_until: dict[str, timedelta] = {}
        self.strange: set[str] = set()
        self.unknown: set[str] = set()
        self.elapsed = timedelta(0)
        self.kept_until = timedelta(0)
        self.events_since = 0
        self.counter = 0
        self.backups = MachineBackups()
        self.rowless: dict[str, RowlessFile] = {}
        self.returning: dict[str, AcceptedUpload] = {}
        self.by_hand: set[str] = set()
        self.was_frozen = False
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        django_cache.clear()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._settle()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # Visitors -----------------------------------------------------------------

    @initialize()
    def somebody_comes(self) -> None:
        self._start()
        self._upload(self._live()[0])

    @rule()
    def start(self) -> None:
        if len(self._live()) < MAX_VISITORS:
            self._start()

    @rule(pick=PICKS, fault=IN_UPLOAD)
    def upload(self, pick: int, fault: Fault | None) -> None:
        if live := self._live():
            self._upload(_pick(live, pick), fault)

    @rule(pick=PICKS)
    def upload_well(self, pick: int) -> None:
        self.upload(pick, None)

    @rule(pick=PICKS)
    def upload_and_lose_the_commit(self, pick: int) -> None:
        """The database fails over to a replica that had not received the last commit."""
        if not (live := self._live()):
            return
        before: list[str] = []
        self._upload(
            _pick(live, pick),
            Fault("put", 1, "meanwhile", after=True),
            lambda: before.append(transaction.savepoint()),
        )
        if before:
            transaction.savepoint_rollback(before[0])
            django_cache.clear()

    @precondition(lambda self: self.cut_off)
    @rule(pick=PICKS, fault=IN_UPLOAD)
    def upload_again(self, pick: int, fault: Fault | None) -> None:
        if self.cut_off:
            self._send(*self.cut_off.pop(pick % len(self.cut_off)), fault)

    @precondition(lambda self: self.promised)
    @rule(pick=PICKS, fault=IN_DELETION)
    def delete(self, pick: int, fault: Fault | None) -> None:
        self._delete(pick, fault)

    @rule(pick=PICKS, how=st.sampled_from(["renew", "reset", "end", "erase"]), fault=IN_DELETION)
    def go_on_or_leave(self, pick: int, how: str, fault: Fault | None) -> None:
        if not (live := self._live()):
            return
        match how:
            case "renew":
                assert _pick(live, pick).current().status_code == 200
            case "reset":
                self._reset(pick, fault)
            case "end":
                self._call(_twin(_pick(live, pick)).end, fault)
            case "erase":
                self._erase(pick, fault)

    # The world ----------------------------------------------------------------

    @rule(by=TIMES)
    def pass_time(self, by: timedelta) -> None:
        """Set the times of rows and files back, but not those of the audit log."""
        self.elapsed += by
        self.set_clock_ahead(by)
        if by > HOUR:
            expire_sessions()
            forget_visitors()

    def set_clock_ahead(self, by: timedelta) -> None:
        _age_rows(by)
        for path in self.root.rglob("*"):
            if path.is_file():
                age_path(path, by)

    @rule(
        pick=PICKS,
        what=st.sampled_from(
            ["orphan", "orphan", "somebody's", "late", "temporary", "unknown", "link", "folder"]
        ),
        age=AGES,
    )
    def plant(self, pick: int, what: str, age: timedelta) -> None:
        """Write an object without a row into the store."""
        key = new_key()
        match what:
            case "orphan" | "somebody's":
                if what == "somebody's":
                    key = f"uploads/{_pick(list(self.visitors), pick)}/{key.rpartition('/')[2]}"
                self._plant(key, pdf(key), age)
                self.young_until[key] = self.elapsed - age + GRACE
            case "late":
                closed = UploadedFile.objects.exclude(status__in=WITH_OBJECT).order_by("created_at")
                if keys := list(closed.values_list("key", flat=True)):
                    key = _pick(keys, pick)
                    # A key is never used twice, so a late object has the bytes that were sent under it.
                    self._plant(key, self.bodies.get(key, b"%PDF-1.4 late"), age)
            case "temporary":
                folder, _, name = key.rpartition("/")
                name = f".{name}.{pick:016x}.part"
                plant(name if pick % 2 else f"{folder}/{name}", age=age)
            case "link":
                outside = self.root.with_suffix(".pdf")
                outside.write_bytes(b"%PDF-1.4 outside the store")
                (self.root / key).parent.mkdir(parents=True)
                (self.root / key).symlink_to(outside)
                self.strange.add(key)
            case "folder":
                (self.root / key).mkdir(parents=True)
                self.strange.add(key)
            case "unknown":
                plant(f"uploads/note-{pick}.txt", age=DAY)
                self.strange.add(f"uploads/note-{pick}.txt")

    @precondition(lambda self: self.promised or self.lost)
    @rule(pick=PICKS, age=AGES)
    def lose_or_give_back(self, pick: int, age: timedelta) -> None:
        if self.lost:
            self._give_back(pick, age)
        else:
            self._lose(pick)

    # Operators and the schedule -------------------------------------------------

    @rule(
        limit=st.sampled_from([0, 0, 0, 1, 3]),
        older_than=st.sampled_from(["30m", "30m", "0s", "1d"]),
        fault=IN_RUN,
        pick=PICKS,
    )
    def clean(self, limit: int, older_than: str, fault: Fault | None, pick: int) -> None:
        arguments = ["--older-than", older_than] if older_than != "30m" else []
        arguments += ["--limit", str(limit)] if limit else []
        if older_than == "0s":
            self.young_until = {}
        result = self._call(lambda: cleanup(*arguments), fault, lambda: self._meanwhile(pick))
        if fault is None:
            result = self._after_dead_run(result, lambda: cleanup(*arguments))
            assert result.exit_code == 0, result
        if self.was_frozen:
            assert result is None or result.exit_code in (0, 3), result
        elif fault is None or fault.what == "meanwhile":
            assert result is not None
            assert result.exit_code == 0, result
            if not limit and older_than == "30m" and result.out != SKIPPED:
                self._nothing_is_left()
        self.was_frozen = False
        self._all_is_well()

    @rule()
    def clean_well(self) -> None:
        self.clean(0, "30m", None, 0)

    @rule(seconds=st.sampled_from([0, 0, 200]), fault=IN_RUN, pick=PICKS)
    def clean_as_scheduled(self, seconds: int, fault: Fault | None, pick: int) -> None:
        options = CleanupOptions(grace=GRACE, seconds=seconds)
        began_anew = not StoreState.objects.exclude(scan_after="").exists()

        def work() -> Any:
            return cleanup_module.cleanup_orphans(options)

        run = self._call(work, fault, lambda: self._meanwhile(pick))
        if fault is None:
            assert run.status in (RunStatus.COMPLETED, RunStatus.SKIPPED), run.stop_sentence
            assert not run.errors
            if seconds and began_anew and run.status == RunStatus.COMPLETED:
                self._nothing_is_left()
        self.was_frozen = False
        self._all_is_well()

    @rule()
    def preview_and_clean(self) -> None:
        self._after_dead_run(cleanup(), cleanup)
        self.pass_time(16 * MINUTE)
        seen = cleanup("--dry-run", "--json")
        done = cleanup("--json")
        assert (seen.exit_code, done.exit_code) == (0, 0), (seen, done)
        assert seen.document["findings"] == done.document["findings"]

    @precondition(lambda self: self._marker() > 1)  # else the log would begin with the wrong time
    @rule(days=st.sampled_from([-3, 3]), of_store=st.booleans())
    def clean_with_a_wrong_clock(self, days: int, of_store: bool) -> None:
        """Set the worker's clock wrong, or all times of the store."""
        if of_store:
            self.faults.clock_off = timedelta(days=days)
            result = cleanup()
            self.faults.clock_off = timedelta(0)
        else:
            with time_machine.travel(timezone.now() + timedelta(days=days)):
                result = cleanup()
        is_noticed = of_store or connection.vendor == "sqlite"
        if result.out != SKIPPED:
            assert result.exit_code == (3 if is_noticed else 0), result
            assert is_noticed == ("clocks_differ" in result.err)
        self._all_is_well()

    @precondition(lambda self: self.moved_to_trash_at)
    @rule(fault=IN_MOVE)
    def restore_orphans(self, fault: Fault | None) -> None:
        kept = {s.key for s in QuarantinedObject.objects.filter(status="quarantined")}
        self._call(_restore_all, fault)
        there = {key for key in kept & self.moved_to_trash_at.keys() if not _is_erased(key)}
        self._is_kept()
        assert fault or there <= self.given_back.keys()

    @precondition(lambda self: self._marker() > 1)
    @rule()
    def back_up(self) -> None:
        self.backups.add(self.elapsed)

    @precondition(lambda self: self.backups.behind(self._marker()))
    @rule(pick=PICKS, fault=IN_ADOPTION)
    def restore(self, pick: int, fault: Fault | None) -> None:
        """Restore a backup; until it is adopted, the cleanup changes nothing."""
        backup = _pick(self.backups.behind(self._marker()), pick)
        self.backups.restore(backup)
        _age_rows(self.elapsed - backup.at)
        django_cache.clear()
        erased = {p.name for p in self.root.glob("erased/*")}
        self._promise_what_is_there(erased)
        before = self._files()
        result = cleanup()
        assert (result.exit_code, self._files()) == (3, before), result
        self._call(lambda: cleanup("--adopt", "--yes"), fault)
        if self._marker() > StoreState.objects.get().generation:
            self.pass_time(11 * MINUTE)
            result = cleanup("--adopt", "--yes")
            assert result.exit_code == 0, result
        if QuarantinedObject.objects.cut_off().exists():  # the next run finishes the failed move
            result = cleanup()
            assert result.exit_code == 0, result
        self.rowless = {}
        self._keep_from_retention()
        known = UserSession.objects.filter(pk__in=erased)
        assert not known.exclude(status="erased").exists()
        self._is_kept()
        self._can_be_downloaded()

    @precondition(lambda self: self.promised)
    @rule(pick=PICKS)
    def delete_a_row_by_hand(self, pick: int) -> None:
        """A mistake of an operator: the object is an orphan then."""
        upload_id = _pick(list(self.promised), pick)
        row = UploadedFile.objects.get(pk=upload_id)
        if row.status not in VISIBLE:
            return
        UploadedFile.objects.filter(pk=row.pk)._raw_delete("default")
        _count(row, -1)
        self.by_hand.add(upload_id)
        self.rowless[upload_id] = RowlessFile(row, self.promised.pop(upload_id), self.elapsed)

    @precondition(lambda self: self.rowless)
    @rule(pick=PICKS, fault=IN_RUN)
    def bring_a_row_back_by_hand(self, pick: int, fault: Fault | None) -> None:
        """The next run returns the object from the trash, if it is not purged yet."""
        upload_id = self._bring_back(pick)
        if fault:
            self._call(cleanup, fault, lambda: self._meanwhile(pick))
            self.was_frozen = False
        result = self._after_dead_run(cleanup(), cleanup)
        assert result.exit_code == 0, result
        if upload_id in self.returning:
            self.promised[upload_id] = self.returning.pop(upload_id)
        self._all_is_well()

    def _bring_back(self, pick: int) -> str:
        upload_id: str = _pick(list(self.rowless), pick)
        rowless = self.rowless.pop(upload_id)
        row, key = rowless.row, rowless.row.key
        session = UserSession.objects.get(pk=row.session_id)
        if session.status != "erased" and not UploadedFile.objects.filter(pk=row.pk).exists():
            UploadedFile.objects.bulk_create([row])
            _age_rows(self.elapsed - rowless.at, UploadedFile.objects.filter(pk=row.pk))
            _count(row, 1)
            places = (self.root / key, self.root / quarantine_key(key))
            if any(place.exists() for place in places):
                self.returning[upload_id] = rowless.promise
        return upload_id

    # Invariants ----------------------------------------------------------

    @invariant()
    def each_promised_file_has_its_bytes(self) -> None:
        for key in stored_keys() - self.keys:
            if reconcile.session_of(key):
                self.keys.add(key)
                self.bodies.setdefault(key, (self.root / key).read_bytes())
        self._is_kept()

    def _is_kept(self) -> None:
        self._forget_past_retention()
        for upload_id, promise in self.promised.items():
            path = self.root / promise.key(upload_id)
            assert path.exists(), f"{path} is gone"
            assert path.read_bytes() == promise.body
        for orphan in QuarantinedObject.objects.all():
            self._is_in_trash(orphan)
        for key, body in self.given_back.items():
            assert (self.root / key).read_bytes() == body
        young = {key for key, until in self.young_until.items() if self.elapsed < until}
        for key in self.strange | young:
            assert (self.root / key).exists()

    def _is_in_trash(self, orphan: QuarantinedObject) -> None:
        """An object in the trash keeps its bytes, and is purged after its retention and not before."""
        path = self.root / quarantine_key(orphan.key)
        if orphan.status == "quarantined" and path.exists():
            assert path.read_bytes() == self.bodies[orphan.key]
            self.moved_to_trash_at.setdefault(orphan.key, self.elapsed)
        elif orphan.key in self.moved_to_trash_at:
            since = self.moved_to_trash_at.pop(orphan.key)
            if orphan.status in ("quarantined", "purging", "purged") and orphan.reason not in EARLY:
                assert self.elapsed - since >= RETENTION, f"{orphan.key} went too early"
        if orphan.status != "restored" or self._is_of_a_file(orphan):
            self.given_back.pop(orphan.key, None)
        elif orphan.key not in self.unknown or (self.root / orphan.key).exists():
            self.unknown.discard(orphan.key)
            self.given_back.setdefault(orphan.key, self.bodies[orphan.key])

    def _is_of_a_file(self, orphan: QuarantinedObject) -> bool:
        """Return whether a row decides about a restored object, or the erasure of its session."""
        rows = UploadedFile.objects.filter(key=orphan.key)
        # A visitor may have deleted a file whose row was brought back.
        deleted = rows.filter(deleted_at__gt=orphan.changed_at)
        return (
            _is_erased(orphan.key)
            or rows.filter(status__in=WITH_OBJECT).exists()
            or deleted.exists()
        )

    def _all_is_well(self) -> None:
        self._is_kept()
        self._can_be_downloaded()
        self._is_audited()
        assert quotas_fit()

    def _can_be_downloaded(self) -> None:
        live = {visitor.uuid: visitor for visitor in self._live()}
        with _undone():
            pending = UploadedFile.objects.pending().values_list("pk", flat=True)
            unfinished = {str(pk) for pk in pending}  # a lost commit, until the lease is over
            for upload_id, promise in self.promised.items():
                if promise.session in live and upload_id not in unfinished:
                    assert live[promise.session].download(upload_id) == promise.body

    def _nothing_is_left(self) -> None:
        """Check that after a completed run nothing is left to remove."""
        self._is_kept()  # which records what the run has restored
        live = UploadedFile.objects.with_object().values_list("key", flat=True)
        entries = QuarantinedObject.objects
        # An object with the key of one in the trash is left alone until that is purged.
        taken = entries.in_trash().values_list("key", flat=True)
        known = {*live, *self.given_back, *self.strange, *taken}
        in_trash = {p.relative_to(self.root).as_posix() for p in self.root.glob("quarantine/*/*/*")}
        assert in_trash <= {quarantine_key(key) for key in taken}, "unknown objects in the trash"
        for path in self.root.glob("uploads/**/*"):
            if path.is_file() and (key := path.relative_to(self.root).as_posix()) not in known:
                age = timezone.now().timestamp() - path.stat().st_mtime
                assert age < GRACE.total_seconds() + 60, f"{key} is left"
        ages = Ages.at(timezone.now(), grace=GRACE)
        for kind in (FindingKind.LAPSED, FindingKind.UNFINISHED, FindingKind.PAST_RETENTION):
            assert not removable_rows(kind, ages).exists(), kind
        for kind in (FindingKind.CUT_OFF, FindingKind.PAST_TRASH_RETENTION):
            assert not due_trash(kind, ages).exists(), kind

    def _is_audited(self) -> None:
        """Check that each row has exactly the events of its state, and each deletion has one."""
        result: dict[str, list[str]] = defaultdict(list)
        for target, event in AuditLog.objects.order_by("id").values_list("target", "event_type"):
            result[target].append(event)
        for row in UploadedFile.objects.all():
            has = Counter(result[f"upload:{row.pk}"])
            arrived = row.status in (*VISIBLE, UploadStatus.DELETING, UploadStatus.DELETED)
            stored = has["upload.stored"] + has["upload.restored"]
            # An adoption may have created a row anew that was deleted by hand.
            is_anew = str(row.pk) in self.by_hand and stored > 1
            assert stored == arrived or (is_anew and arrived), row.key
            assert has["upload.deleted"] == (row.status == UploadStatus.DELETED), row.key
            assert has["upload.lapsed"] == (row.status == UploadStatus.LAPSED), row.key
            missing = has["upload.missing"] - has["upload.found"]
            is_either = is_anew or row.status not in VISIBLE
            assert missing in ((0, 1) if is_either else (row.status == UploadStatus.MISSING,))
        for orphan in QuarantinedObject.objects.filter(status__in=_LAST_EVENT):
            assert result[orphan.key][-1] == _LAST_EVENT[orphan.status], orphan.key
        self._removals_are_reported()

    def _removals_are_reported(self) -> None:
        unfinished = {
            *QuarantinedObject.objects.cut_off().values_list("key", flat=True),
            *UploadedFile.objects.deleting().values_list("key", flat=True),
        }
        logs = AuditLog.objects.filter(id__gt=self.events_since)
        result: dict[str, Counter[str]] = defaultdict(Counter)
        for target, event in logs.values_list("target", "event_type"):
            result[target][event] += 1
        for place, removals in self.faults.removed.items():
            key = place.removeprefix("quarantine/")
            if reconcile.session_of(key) is None or key in unfinished:
                continue
            if self._is_reported_by_erasure(key):
                continue
            events = result[key] + result["upload:" + key.rpartition("/")[2].partition(".")[0]]
            names = _REMOVALS if place == key else _REMOVALS_TRASHED
            assert removals <= sum(events[name] for name in names), (place, removals, events)

    def _is_reported_by_erasure(self, key: str) -> bool:
        """An erasure reports its session, and each stored file, but not what else it deletes."""
        session = UserSession.objects.filter(pk=str(reconcile.session_of(key)), status="erased")
        files = UploadedFile.objects.filter(key=key, status=UploadStatus.DELETED)
        return session.exists() and not files.exists()

    def _settle(self) -> None:
        """Check that one more run finishes what was interrupted, and every key is explained."""
        self.pass_time(31 * MINUTE)
        result = cleanup()
        assert result.exit_code == 0, result
        self._nothing_is_left()
        self._all_is_well()
        for key in sorted(self.keys):
            result = cleanup("--explain", key)
            assert result.exit_code == 0
            assert "This key is unknown" not in result.out, result.out

    # Helpers ---------------------------------------------------------------

    def _start(self) -> None:
        visitor = started()
        visitor.raise_request_exception = False  # a 503 is an answer
        self.visitors[visitor.uuid] = visitor

    def _upload(
        self,
        visitor: Visitor,
        fault: Fault | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self.counter += 1
        body = pdf(f"number {self.counter}")
        self._send(visitor, body, f"try-{self.counter}", fault, meanwhile)

    def _send(
        self,
        visitor: Visitor,
        body: bytes,
        retry_key: str,
        fault: Fault | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        headers = {"X-Session-UUID": visitor.uuid, "Idempotency-Key": retry_key}
        # A cleanup run in the middle must not refuse a file within its lease.
        is_sound = fault is None or (fault.what == "meanwhile" and self.counter % 2 == 0)
        answer = self._call(
            lambda: visitor.upload(body, headers=headers), fault, meanwhile or self._wait_and_clean
        )
        if answer is None or answer.status_code >= 500:
            self.cut_off.append((visitor, body, retry_key))
        elif answer.status_code == 201:
            upload_id = answer.json()["id"]
            self.promised[upload_id] = AcceptedUpload(visitor.uuid, body)
            self.acknowledged[upload_id] = self.promised[upload_id]
            self.bodies[self.promised[upload_id].key(upload_id)] = body
        expected = {400, 401, 409, 503 if self.is_refusing else 201}
        assert not is_sound or answer.status_code in expected, answer.content

    def _delete(self, pick: int, fault: Fault | None = None) -> None:
        live = {visitor.uuid: visitor for visitor in self._live()}
        mine = [i for i, promise in self.promised.items() if promise.session in live]
        if not mine:
            return
        upload_id = _pick(mine, pick)
        promise = self.promised.pop(upload_id)
        visitor = live[promise.session]
        answer = self._call(lambda: visitor.delete_upload(upload_id), fault, cleanup)
        is_reported = answer is not None and answer.status_code == 204
        if (
            not is_reported
            and UploadedFile.objects.filter(
                pk=upload_id, status__in=[*VISIBLE, UploadStatus.PENDING]
            ).exists()
        ):
            self.promised[upload_id] = promise

    def _reset(self, pick: int, fault: Fault | None = None) -> None:
        if live := self._live():
            visitor = _twin(_pick(live, pick))
            answer = self._call(visitor.reset, fault)
            if answer is not None and answer.status_code == 201:
                self.visitors[visitor.uuid] = visitor

    def _erase(self, pick: int, fault: Fault | None = None) -> None:
        if not (live := self._live()):
            return
        visitor = _twin(_pick(live, pick))
        before = self.promised, self.returning
        self.promised, self.returning = (
            {i: p for i, p in promises.items() if p.session != visitor.uuid} for promises in before
        )
        self._call(visitor.erase, fault, cleanup)
        if visitor.row.status != "erased":
            self.promised, self.returning = before

    def _lose(self, pick: int) -> None:
        if self.promised:
            upload_id = _pick(list(self.promised), pick)
            promise = self.lost[upload_id] = self.promised.pop(upload_id)
            path = self.root / promise.key(upload_id)
            path.unlink()

    def _give_back(self, pick: int, age: timedelta) -> None:
        if not self.lost:
            return
        upload_id = _pick(list(self.lost), pick)
        promise = self.lost.pop(upload_id)
        self._plant(promise.key(upload_id), promise.body, age)
        if UploadedFile.objects.filter(pk=upload_id, status__in=VISIBLE).exists():
            self.promised[upload_id] = promise

    def _meanwhile(self, pick: int) -> None:
        """Make another call in the middle of a run."""
        acts: list[Callable[[], Any]] = [
            lambda: self._upload_behind(pick),
            lambda: self._upload_behind(pick),
            lambda: self._delete(pick),
            lambda: self._reset(pick),
            lambda: self._erase(pick),
            lambda: self._lose(pick),
            lambda: self._give_back(pick, DAY),
            lambda: self._give_back(pick, DAY),
            self._clean_beside,
            self._freeze,
            self._freeze,
            self._freeze,
        ]
        acts[pick % len(acts)]()

    def _upload_behind(self, pick: int) -> None:
        """Upload a file that looks older than it is, because the store's clock is behind."""
        if live := self._live():
            before = self._objects()
            self._upload(_pick(live, pick // 10))
            for path in self._objects() - before:
                age_path(path, BEHIND)

    def _objects(self) -> set[Path]:
        return {self.root / promise.key(i) for i, promise in self.promised.items()}

    def _freeze(self) -> None:
        """Freeze the run until its lease is over: another one works, and people restore objects."""
        self.was_frozen = True
        self.pass_time(11 * MINUTE)
        if self.rowless:
            self._bring_back(0)
        cleanup()
        self.promised |= self.returning
        self.returning = {}
        _restore_all()

    def _clean_beside(self) -> None:
        result = cleanup()
        assert (result.exit_code, result.out) == (0, SKIPPED)

    def _wait_and_clean(self) -> None:
        """Run the cleanup in the middle of an upload, perhaps after its lease."""
        if self.counter % 2:
            self.pass_time(31 * MINUTE)
        cleanup()

    def _plant(self, key: str, body: bytes, age: timedelta) -> None:
        plant(key, body, age)
        self.bodies[key] = body

    def _call(
        self,
        work: Callable[[], Any],
        fault: Fault | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Any:
        """Call an interface; None if the process died or the database failed."""
        with self.faults.injecting(fault, meanwhile):
            try:
                return work()
            except (ProcessKilled, DatabaseError, OSError):
                assert fault
                return None

    def _keep_from_retention(self) -> None:
        """Expect no removal by retention for one retention after an adoption.

        It has created rows for objects of known sessions.
        """
        self.kept_until = self.elapsed + RETENTION
        visible = UploadedFile.objects.filter(pk__in=self.rowless, status__in=VISIBLE)
        for pk in visible.values_list("pk", flat=True):
            self.promised[str(pk)] = self.rowless.pop(str(pk)).promise

    def _after_dead_run(
        self, result: CommandResult, again: Callable[[], CommandResult]
    ) -> CommandResult:
        """If a dead run still has the lease, wait until it ends, and call once more."""
        if result.out == SKIPPED:
            self.pass_time(11 * MINUTE)
            result = again()
            assert result.out != SKIPPED
        return result

    def _live(self) -> list[Visitor]:
        live = {str(pk) for pk in UserSession.objects.live().values_list("pk", flat=True)}
        return [visitor for uuid, visitor in self.visitors.items() if uuid in live]

    def _forget_past_retention(self) -> None:
        """Stop promising files past their retention, and files of unknown sessions."""
        ends = dict(UserSession.objects.values_list("pk", "ended_at"))
        now = timezone.now()
        if self.elapsed < self.kept_until:
            return
        over = {str(pk) for pk, ended in ends.items() if ended and now - ended >= RETENTION}
        self.promised = {i: p for i, p in self.promised.items() if p.session not in over}

    def _promise_what_is_there(self, erased: set[str]) -> None:
        """After a restore, promise the files that are still stored, of sessions in the backup."""
        known = {str(pk) for pk in UserSession.objects.values_list("pk", flat=True)} - erased
        status = {str(pk): s for pk, s in UploadedFile.objects.values_list("pk", "status")}
        again = {*VISIBLE, UploadStatus.PENDING, None}
        self.promised = {
            upload_id: promise
            for upload_id, promise in self.acknowledged.items()
            if promise.session in known
            and status.get(upload_id) in again
            and self._exists(promise.key(upload_id))
        }
        self.lost, self.young_until = {}, {}
        rows = UploadedFile.objects.values_list("key", flat=True)
        trash_items = QuarantinedObject.objects.values_list("key", flat=True)
        there = {p.relative_to(self.root).as_posix() for p in self.root.rglob("*.pdf")}
        self.keys &= {*rows, *trash_items, *(key.removeprefix("quarantine/") for key in there)}
        restored = QuarantinedObject.objects.filter(status="restored")
        keys = restored.values_list("key", flat=True)
        self.unknown |= {key for key in keys if not (self.root / key).exists()}
        self.given_back = {}
        self.moved_to_trash_at = {
            key: since
            for key, since in self.moved_to_trash_at.items()
            if (self.root / quarantine_key(key)).exists()
        }
        self.faults.removed.clear()
        self.events_since = AuditLog.objects.order_by("-id").values_list("id", flat=True)[0]

    def _exists(self, key: str) -> bool:
        """Return whether an object is at its key, or can return to it from the trash."""
        entry = QuarantinedObject.objects.filter(key=key).first()
        has_row = UploadedFile.objects.filter(key=key).exists()
        if (self.root / key).exists():
            return True
        return (self.root / quarantine_key(key)).exists() and (has_row or entry is None)

    def _marker(self) -> int:
        marker = object_store().read_marker()
        return marker.generation if marker else 0

    def _files(self) -> dict[str, bytes]:
        """Return every file of the store except the marker, which every run signs."""
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in paths if path.name != "marker.json"}


_LAST_EVENT = {
    "quarantined": "object.quarantined",
    "restored": "object.restored",
    "purged": "object.purged",
}
_REMOVALS = ("upload.deleted", "upload.lapsed", "object.purged", "object.quarantined")
_REMOVALS_TRASHED = ("object.restored", "object.purged")


def _pick(things: Any, number: int) -> Any:
    return things[number % len(things)]


def _twin(visitor: Visitor) -> Visitor:
    """Return another visitor with the same proof, which does not change with this one."""
    other = Visitor(raise_request_exception=False)
    other.uuid, other.token = visitor.uuid, visitor.token
    return other


def _is_erased(key: str) -> bool:
    """Return whether the session of a key is erased, so that nobody restores its objects."""
    session_uuid = str(reconcile.session_of(key))
    return UserSession.objects.filter(pk=session_uuid, status="erased").exists()


def _restore_all() -> None:
    with suppress(SystemExit):  # of some that could not be given back
        call_command("restore_orphans", "--all", stdout=io.StringIO(), stderr=io.StringIO())


@contextmanager
def _undone() -> Iterator[None]:
    """Roll back what the block does to the database."""
    savepoint = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(savepoint)


def _age_rows(by: timedelta, rows: models.QuerySet[Any] | None = None) -> None:
    """Set every time of rows back: by default of all, except those of the audit log."""
    found = [
        model._base_manager.all()
        for app in ("sessions_app", "uploads_app")
        for model in apps.get_app_config(app).get_models()
    ]
    for queryset in found if rows is None else [rows]:
        fields = queryset.model._meta.fields
        names = [field.name for field in fields if isinstance(field, models.DateTimeField)]
        if names:
            queryset.update(**{name: models.F(name) - by for name in names})


def _count(row: UploadedFile, by: int) -> None:
    """Change the quota of a file's session for a row that is deleted or created by hand."""
    UploadQuota.objects.filter(session=row.session_id).update(
        files=models.F("files") + by, bytes=models.F("bytes") + by * row.size
    )


@pytest.mark.slow
@pytest.mark.timeout(7200 if SOAK else 900)
def test_t54_nothing_that_visitors_operators_crashes_and_time_do_loses_a_live_file(
    db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small pages, so that runs with few files can be interrupted in many places.
    monkeypatch.setattr(reconcile, "PAGE", 3)
    monkeypatch.setattr(apply, "BATCH", 2)
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    logging.disable(logging.CRITICAL)
    roots = iter(range(10**9))

    def deployment() -> CleanupMachine:
        dice = random.Random(0)  # so that what is found is found again
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=dice.getrandbits(128), version=4))
        faults, root = FaultInjector(), tmp_path / f"store-{next(roots)}"
        settings.STORAGES = {
            **settings.STORAGES,
            "uploads": {
                "BACKEND": f"{FaultInjectingStore.__module__}.{FaultInjectingStore.__qualname__}",
                "OPTIONS": {"location": root, "faults": faults},
            },
        }
        return CleanupMachine(root, faults)

    number = int(os.environ.get("CLEANUP_SEED", random.randrange(2**32) if SOAK else 7))
    print(f"CLEANUP_SEED={number}")
    seed(number)(deployment)
    try:
        run_state_machine_as_test(cast(Any, deployment), settings=_settings())
    finally:
        logging.disable(logging.NOTSET)


def _settings() -> hypothesis_settings:
    """200 examples of 100 steps in a soak; otherwise 5 on SQLite and their first on PostgreSQL."""
    examples = 200 if SOAK else 5 if connection.vendor == "sqlite" else 1
    return hypothesis_settings(
        # The first example always has the simplest steps, so it does not count.
        max_examples=1 + examples,
        stateful_step_count=100,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
