"""Adoption: after a restore, a person declares that this database and this store belong together.

A restored database does not know what happened after its backup. Before the
cleanup may delete anything again, the adoption repeats erasures, creates rows for
files that the backup does not know, and lets all retentions start again.
"""

import secrets
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.services import record
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services.privacy import erase_session
from sessions_app.uuid_helpers import UuidMalformed, parse_uuid
from uploads_app import events, marker
from uploads_app.cleanup import reconcile, trash, trash_scan
from uploads_app.cleanup.adoption_plan import AdoptionPlan
from uploads_app.cleanup.findings import Ages, FindingKind
from uploads_app.cleanup.reconcile import ScanProgress
from uploads_app.marker import Stop
from uploads_app.models import (
    SESSION_ERASED,
    Finding,
    QuarantinedObject,
    StoreState,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.recovery import finish_pending, has_arrived, recover_upload
from uploads_app.storage.base import Marker, StoredObject, object_store
from uploads_app.storage.keys import ERASED, erased_key, key_in_trash, quarantine_key

_RECOVERED = frozenset({FindingKind.ORPHAN, FindingKind.YOUNG, FindingKind.RESTORED})
# No retention is over after a restore, so every file counts as live.
_NEVER = timedelta(days=36500)


def _ignore() -> None: ...


class CannotAdopt(Stop):
    """An adoption is not possible now."""


def plan() -> AdoptionPlan:
    """Count what an adoption will do, and change nothing.

    Raises CannotAdopt if store and database already belong together.
    """
    try:
        marker.compare()
    except marker.MarkerDiffers as differs:
        code, reason = differs.code, str(differs)
    else:
        raise CannotAdopt("nothing_to_adopt", "Store and database already belong together.")
    strangers = missing = recovered = size = 0
    for finding in _findings():
        if _is_erased(reconcile.session_of(finding.key)):
            continue
        missing += finding.kind == FindingKind.MISSING
        if finding.kind in _RECOVERED:
            if _session_of(finding.key):
                recovered += 1
                size += finding.size
            else:
                strangers += 1
    erasures = sum(1 for _ in _to_erase())
    finished = sum(1 for _ in _complete_pending())
    restored = list(_left_the_trash())
    for entry in restored:
        if _session_of(entry.key) and not _is_erased(reconcile.session_of(entry.key)):
            recovered += 1
            size += entry.size
    in_trash = Counter(found.kind for found in trash_scan.find_misplaced(object_store(), _ignore))
    for page in trash_scan.pages(object_store()):
        for stored in _recoverable(page):
            recovered += 1
            size += stored.size
            in_trash[FindingKind.UNRECORDED] -= 1
    return AdoptionPlan(
        code,
        reason,
        erasures,
        recovered,
        size,
        finished,
        strangers,
        in_trash[FindingKind.UNRECORDED],
        missing,
        in_trash[FindingKind.MISPLACED],
        len(restored),
    )


def adopt(planned: AdoptionPlan) -> None:
    """Carry out a plan. Each step can be repeated after a crash.

    Raises CannotAdopt while a cleanup run is in progress, OSError if the store fails.
    """
    StoreState.objects.get_or_create(singleton=StoreState.SINGLETON)
    holder = secrets.token_hex(16)
    if not marker.take_lease(holder):
        raise CannotAdopt(
            "run_under_way", "A cleanup run is in progress. Try again when it has ended."
        )
    try:
        for session in _to_erase():
            _keep_lease(holder)
            erase_session(session=session, reason="adopted")
        recovered = 0
        for page in trash_scan.pages(object_store()):
            _keep_lease(holder)
            recovered += _recover_from_trash(page)
        for entry in _left_the_trash():
            _keep_lease(holder)
            trash.restore_objects(keys=[entry.key])  # the next run finishes one that fails
        for upload in _complete_pending():
            _keep_lease(holder)
            recovered += finish_pending(upload=upload)
        for finding in _findings():
            _keep_lease(holder)
            if finding.kind in _RECOVERED:
                recovered += _recover(finding.key)
        _keep_lease(holder)
        _write_marker(planned, recovered)
    finally:
        marker.release_lease(holder)


def _keep_lease(holder: str) -> None:
    if not marker.renew_lease(holder):
        raise CannotAdopt(
            "lease_lost", "Another run took the lease. Adopt again when it has ended."
        )


def _recover(key: str) -> bool:
    """Create the row of an object without one; purge the object if its session was erased."""
    stored = object_store().describe(key)
    session_uuid = reconcile.session_of(key)
    if stored is None or session_uuid is None:
        return False
    if _is_erased(session_uuid):
        trash.move_to_trash([stored], reason=SESSION_ERASED)
        return False
    session = _session_of(key)
    return session is not None and recover_upload(session=session, stored=stored)


def _recover_from_trash(page: list[StoredObject]) -> int:
    """Return objects of the trash to their files, create the rows of others, and record the rest."""
    recovered = 0
    for stored in _recoverable(page):
        session = _session_of(stored.key)
        recovered += session is not None and recover_upload(
            session=session, stored=stored, place=quarantine_key(stored.key)
        )
    kinds = {finding.key: finding.kind for finding in trash_scan.compare(object_store(), page)}
    of_kind = {
        kind: [_original(stored) for stored in page if kinds.get(stored.key) == kind]
        for kind in (FindingKind.MISPLACED, FindingKind.UNRECORDED)
    }
    trash.return_to_files(of_kind[FindingKind.MISPLACED])
    trash.record_found(of_kind[FindingKind.UNRECORDED])
    return recovered


def _recoverable(page: list[StoredObject]) -> Iterator[StoredObject]:
    """Yield unknown objects of the trash, by their original keys, whose session is known.

    Another copy of this database did not know their session, and moved them there.
    """
    unknown = {
        key_in_trash(finding.key)
        for finding in trash_scan.compare(object_store(), page)
        if finding.kind == FindingKind.UNRECORDED
    }
    unknown -= set(QuarantinedObject.objects.filter(key__in=unknown).values_list("key", flat=True))
    unknown -= set(UploadedFile.objects.filter(key__in=unknown).values_list("key", flat=True))
    for stored in map(_original, page):
        if (
            stored.key in unknown
            and _session_of(stored.key)
            and not _is_erased(reconcile.session_of(stored.key))
        ):
            yield stored


def _left_the_trash() -> Iterator[QuarantinedObject]:
    """Yield the entries of objects that were restored after the backup: they have their keys again."""
    store = object_store()
    for entry in QuarantinedObject.objects.in_trash():
        if store.describe(quarantine_key(entry.key)) is None and store.describe(entry.key):
            yield entry


def _original(stored: StoredObject) -> StoredObject:
    return stored._replace(key=key_in_trash(stored.key))


def _write_marker(planned: AdoptionPlan, recovered: int) -> None:
    """Write the same marker to both sides, first to the database."""
    store = object_store()
    try:
        theirs = store.read_marker()
    except ValueError:
        theirs = None
    state = StoreState.objects.get()
    state.generation = max(state.generation, theirs.generation if theirs else 0) + 1
    state.adopted_at, state.scan_after = Now(), ""
    lineage = secrets.token_hex(16)
    # With the store's, so that a crash before its half is written is no difference.
    state.lineages = [*([theirs.lineage] if theirs else []), lineage]
    with transaction.atomic():
        state.save(update_fields=["generation", "lineages", "adopted_at", "scan_after"])
        record(
            events.DATABASE_ADOPTED,
            target=f"store:{state.marker_id}",
            code=planned.code,
            generation=state.generation,
            erased=planned.erasures,
            recovered=recovered,
        )
    store.write_marker(Marker(str(state.marker_id), state.generation, lineage))


def _findings() -> Iterator[Finding]:
    ages = Ages.at(timezone.now(), grace=timedelta(0), retention=_NEVER, completed_retention=_NEVER)
    return reconcile.find_mismatches(object_store(), ages, ScanProgress(lambda: None))


def _to_erase() -> Iterator[UserSession]:
    """Yield sessions that are erased in the store's records and not in the database."""
    for mark in object_store().list_objects(ERASED):
        with suppress(UuidMalformed):
            session_uuid = parse_uuid(mark.key.removeprefix(f"{ERASED}/"))
            if session := _unerased(session_uuid):
                yield session


def _complete_pending() -> Iterator[UploadedFile]:
    """Yield uploads that were in progress in the backup and whose object is whole."""
    for upload in UploadedFile.objects.filter(status=UploadStatus.PENDING).iterator():
        if not _is_erased(upload.session_id) and has_arrived(upload):
            yield upload


def _is_erased(session_uuid: uuid.UUID | None) -> bool:
    """Return whether the store records a session as erased."""
    return bool(session_uuid and object_store().describe(erased_key(session_uuid)))


def _session_of(key: str) -> UserSession | None:
    session_uuid = reconcile.session_of(key)
    return _unerased(session_uuid) if session_uuid else None


def _unerased(session_uuid: uuid.UUID) -> UserSession | None:
    sessions = UserSession.objects.exclude(status=SessionStatus.ERASED)
    return sessions.filter(pk=session_uuid).first()
