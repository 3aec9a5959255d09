"""A visitor's data: their activity, the export and the erasure."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.models import AuditLog, AuditPersonal, AuditQuerySet
from audit_app.services import erase_personal, record
from common import context, deleted_rows
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import (
    EmailCode,
    RecoveryCode,
    RetiredToken,
    SessionQuerySet,
    SessionStatus,
    UserSession,
)
from sessions_app.services.identity import forget_identity
from sessions_app.signals import describe, session_erased, session_erasing

# A request that was in progress during an erasure can still write personal data.
LATE_REQUESTS = timedelta(days=1)
SWEEP_BATCH = 500
VISITORS_OWN = frozenset({context.VISITOR, context.SYSTEM})
# The data that an erasure removes, and the data that stays, why and for how long, as in docs/privacy.md.
REMOVED = (
    "name, e-mail address, consent and codes",
    "the session's tokens: its visitor can no longer use it",
    "the files, in storage too, and all file names",
    "personal data in the audit log about the visitor: addresses, browsers, file names",
)
KEPT = (
    (
        "the session's row",
        "UUID, support code, times and the state “erased”: staff can still tell from a support "
        "code that the visitor had the session erased",
        "no end is set",
    ),
    (
        "the rows of its files",
        "ids, sizes, SHA-256, type, times and the result of the inspection, no names: the cleanup "
        "knows that an object must not exist",
        "no end is set",
    ),
    (
        "the audit rows",
        "event, time, network, request id, actor and reason: the log is append-only, and the rows "
        "identify nobody",
        "no end is set",
    ),
    (
        "personal parts of refusals that name no session",
        "for example of an unknown token: their visitor is unknown",
        "no end is set",
    ),
    (
        "audit data about staff who acted on the session",
        "their address and browser: the data is about the staff member",
        "no end is set",
    ),
    (
        "the session's UUID in the store",
        "the name of an empty object: a restored backup cannot bring the session back",
        "no end is set",
    ),
    (
        "half-written bytes of an upload whose writer died",
        "the cleanup deletes them",
        "until the grace period is over",
    ),
    (
        "backups",
        "they were made before the erasure; after a restore the session is erased again",
        "until the operator's own period for them is over",
    ),
)
REMAINS = (
    "unused space in the files of PostgreSQL",
    "everything is removed from the database, and no query can read it. PostgreSQL overwrites the "
    "bytes when it needs the space, and recycles its write-ahead log; SQLite has overwritten them",
    "until then; VACUUM FULL and CHECKPOINT shorten it",
)


def kept() -> Sequence[tuple[str, str, str]]:
    """Return what stays after an erasure in this database, why and for how long."""
    return (*KEPT, REMAINS) if connection.vendor == "postgresql" else KEPT


def history(*, session: UserSession) -> AuditQuerySet:
    """Return a session's events with their personal parts, newest first."""
    return AuditLog.objects.about_session(session.uuid).select_related("personal")


def visitors_events(session: UserSession) -> AuditQuerySet:
    """Return the events whose actor was the visitor, newest first."""
    return history(session=session).filter(actor=context.VISITOR)


def who(event: AuditLog) -> str:
    """Return an event's actor as the visitor sees it. Staff members are not named."""
    kind, _, name = event.actor.partition(":")
    if kind in ("staff", "operator"):
        return "support staff"
    if kind == "service":
        return f"service {name}"
    return "you" if kind == context.VISITOR else "the system"


def export_session(
    *, session: UserSession, file_format: str = "json", reason: str = ""
) -> Iterator[tuple[str, Any]]:
    """Record the export and return all data of a session as (name, value) parts.

    Values are plain; the last part, `events`, is an iterator, so that a long
    history need not fit in memory. Staff must give a `reason`.
    """
    # Recorded here: the request's context has ended when the first part is read.
    with transaction.atomic():
        record(events.EXPORTED, session_uuid=session.uuid, format=file_format, reason=reason)
    return _parts(session)


def erase_session(*, session: UserSession, reason: str) -> bool:
    """Close a session for good and remove its personal data and files.

    Return False if it was erased before.

    One transaction removes the data in the database; the files' bytes follow. If
    storage fails, the cleanup and the sweep finish the erasure. The audit rows
    and the rows of the session and its files stay without personal data. The
    erasure's own events contain no client address.
    """
    if not _erase(session, reason, UserSession.objects.all()):
        return False
    finish_erasures_of([session], in_request=True)
    return True


def _erase(session: UserSession, reason: str, among: SessionQuerySet) -> bool:
    with context.without_trace():
        with transaction.atomic():
            locked = among.select_for_update().filter(pk=session.pk).first()
            if locked is None or locked.status == SessionStatus.ERASED:
                return False
            _forget(locked)
            _close(locked)
            session_erasing.send(sender=None, session=locked)
            record(events.ERASURE_REQUESTED, session_uuid=locked.uuid, reason=reason)
        session_erased.send(sender=None, session=locked)
        return True


def erase_person(
    *,
    session: UserSession,
    among: Sequence[UserSession],
    reason: str,
    seconds: float = float("inf"),
) -> int:
    """Erase those of `among` that have proven the e-mail address of `session`; return how many.

    `session` must be one of them. It is erased last, because its address finds
    the others: after a crash a second call continues. No further erasure starts
    after `seconds`. A session whose visitor has removed the address meanwhile
    is skipped.
    """
    with context.without_trace(), transaction.atomic():
        record(
            events.PERSON_ERASURE_REQUESTED,
            session_uuid=session.uuid,
            reason=reason,
            sessions=len(among),
        )
    proven = UserSession.objects.proven_by(session.email)
    erased, deadline = [], time.monotonic() + seconds
    for one in sorted(among, key=lambda one: one.pk == session.pk):
        if _erase(one, reason, proven):
            erased.append(one)
        if time.monotonic() > deadline:
            break
    finish_erasures_of(erased, in_request=True)
    return len(erased)


def finish_erasures_of(sessions: Sequence[UserSession], *, in_request: bool) -> int:
    """Record which erasures are complete; return their number.

    An erasure is incomplete while files remain, or deleted values in the database's own files.
    """
    ready = [one for one in sessions if not any(describe(one, "remaining").values())]
    if not ready:
        return 0
    erase_personal(session_uuids=[one.uuid for one in ready])
    if not _overwrite_deleted(in_request=in_request):
        return 0
    return sum(map(_record_erased, ready))


def _record_erased(session: UserSession) -> bool:
    with transaction.atomic():
        unfinished = UserSession.objects.being_erased().filter(pk=session.pk)
        if not unfinished.update(erased_at=timezone.now()):
            return False
        with context.without_trace():
            record(events.ERASED, session_uuid=session.uuid)
        return True


def _overwrite_deleted(*, in_request: bool) -> bool:
    own = (model._meta.db_table for model in (UserSession, EmailCode, AuditPersonal))
    of_files = describe(None, "tables").values()
    return deleted_rows.remove(tables=[*own, *of_files], in_request=in_request)


def finish_erasures(*, limit: int, seconds: float = float("inf")) -> int:
    """Finish up to `limit` erasures and remove personal data that late requests have written.

    No further erasure starts after `seconds`, because a store that does not answer is slow.
    """
    tried, deadline = [], time.monotonic() + seconds
    for session in UserSession.objects.being_erased()[:limit]:
        session_erased.send(sender=None, session=session)
        tried.append(session)
        if time.monotonic() > deadline:
            break
    recently = UserSession.objects.filter(
        status=SessionStatus.ERASED, erased_at__gt=Now() - LATE_REQUESTS
    )
    late = erase_personal(session_uuids=list(recently.values_list("uuid", flat=True)[:limit]))
    done = finish_erasures_of(tried, in_request=False)
    if late and not done:
        _overwrite_deleted(in_request=False)
    return done


def _parts(session: UserSession) -> Iterator[tuple[str, Any]]:
    yield "session", _session_data(session)
    yield "consent", list(session.consents.values("purpose", "granted", "version", "changed_at"))
    yield from describe(session, "export").items()
    rows = history(session=session).iterator(chunk_size=SWEEP_BATCH)
    yield "events", map(_event_data, rows)


def _close(session: UserSession) -> None:
    """End the session and replace its token by an unknown one."""
    session.status, session.end_reason = SessionStatus.ERASED, ""
    session.ended_at = session.ended_at or timezone.now()
    session.token_hash, session.token_used_at = hash_token(generate_token()), timezone.now()
    session.completed_at = session.retry_key = None
    session.save()


def _forget(session: UserSession) -> None:
    forget_identity(session=session)
    RetiredToken.objects.filter(session=session).delete()
    RecoveryCode.objects.filter(session=session).delete()
    erase_personal(session_uuids=[session.uuid])


def _session_data(session: UserSession) -> dict[str, Any]:
    fields = (
        "uuid", "support_code", "status", "name", "email", "completed_at", "created_at",
        "last_seen_at", "used_at", "expires_at", "ended_at", "end_reason",
    )  # fmt: skip
    data = {name: getattr(session, name) for name in fields}
    return {**data, "identity": session.identity, "predecessor": session.predecessor_id}


def _event_data(event: AuditLog) -> dict[str, Any]:
    personal = getattr(event, "personal", None)
    return {
        "event_id": event.event_id,
        "occurred_at": event.occurred_at,
        "event": event.event_type,
        "outcome": event.outcome,
        "who": who(event),
        "target": event.target,
        "request_id": event.request_id,
        "network": event.network,
        "details": event.details,
        # The address of staff or of a service is not the visitor's data.
        "personal": personal.values() if personal and event.actor in VISITORS_OWN else {},
    }
