"""What is held about a visitor: shown to them, handed out, and erased."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.models import AuditLog, AuditQuerySet
from audit_app.services import erase_personal, record
from common import context
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import (
    RecoveryCode,
    RetiredToken,
    SessionQuerySet,
    SessionStatus,
    UserSession,
)
from sessions_app.services.identity import forget_identity
from sessions_app.signals import describe, session_erased, session_erasing

# A request that was under way during an erasure may still write down whom it came from.
STRAGGLERS = timedelta(days=1)
SWEEP_BATCH = 500
VISITORS_OWN = frozenset({context.VISITOR, context.SYSTEM})
# What an erasure takes, and what it leaves for which reason; docs/privacy.md says the same.
GOES = (
    "name, e-mail address, consent and codes",
    "the proof of the session: its visitor is refused from now on",
    "the files, in storage too, and all file names",
    "what the audit log says of the visitor personally: addresses, browsers, file names",
)
STAYS = (
    (
        "the session's row",
        "UUID, support code, times and the state “erased”: so that the support code still tells "
        "that the visitor had the session erased",
        "no end is set",
    ),
    (
        "the rows of its files",
        "ids, sizes, SHA-256, type, times and what was found inside, no names: so that the cleanup "
        "knows that nothing may be there",
        "no end is set",
    ),
    (
        "the audit rows",
        "event, time, network, request id, who acted and the reason given: they name nobody, and a "
        "log that can be rewritten proves nothing",
        "no end is set",
    ),
    (
        "personal parts of refusals that name no session",
        "like that of an unknown token: nobody can say whose they were",
        "no end is set",
    ),
    (
        "what audit rows say of staff who acted on the session",
        "their address and browser: it is about the staff member",
        "no end is set",
    ),
    (
        "the session's UUID in the store",
        "the name of an empty object: so that a restored backup cannot bring the session back",
        "no end is set",
    ),
    (
        "half-written bytes of an upload whose writer died",
        "the cleanup removes them",
        "until the grace period is over",
    ),
    (
        "backups",
        "made before the erasure; after a restore it is done again",
        "until the operator's own period for them is over",
    ),
)


def history(*, session: UserSession) -> AuditQuerySet:
    """Return a session's events with their personal parts, newest first."""
    return AuditLog.objects.about_session(session.uuid).select_related("personal")


def visitors_events(session: UserSession) -> AuditQuerySet:
    """Return what the visitor did, newest first, with the personal parts."""
    return history(session=session).filter(actor=context.VISITOR)


def who(event: AuditLog) -> str:
    """Name an event's actor to the visitor: staff have no name, services do."""
    kind, _, name = event.actor.partition(":")
    if kind in ("staff", "operator"):
        return "support staff"
    if kind == "service":
        return f"service {name}"
    return "you" if kind == context.VISITOR else "the system"


def export_session(
    *, session: UserSession, file_format: str = "json", reason: str = ""
) -> Iterator[tuple[str, Any]]:
    """Record that a session is exported, and return everything held about it, part by part.

    Staff say why, in `reason`. Parts are names with plain values; the last, `events`, is an iterator, so
    that a long history need not fit in memory.
    """
    # Now, and not when the first part is asked for: by then the request's context has ended.
    with transaction.atomic():
        record(events.EXPORTED, session_uuid=session.uuid, format=file_format, reason=reason)
    return _parts(session)


def erase_session(
    *, session: UserSession, reason: str, among: SessionQuerySet | None = None
) -> bool:
    """Close a session for good and remove everything personal, and its files.

    False if it was erased before, or is not in `among` any more.

    The database forgets in one transaction; the files' bytes go right after. If
    storage fails, the cleanup and the sweep finish. The audit rows stay, without
    their personal parts; so do the session's row and its files', without
    names. Nothing that the erasure itself records says who asked for it.
    """
    among = UserSession.objects.all() if among is None else among
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
        finish_erasure(session=locked)
        return True


def erase_person(
    *,
    session: UserSession,
    among: Sequence[UserSession],
    reason: str,
    seconds: float = float("inf"),
) -> int:
    """Erase those of `among` whose visitor has proven the e-mail address of `session`; return how many.

    `session`, which must be one of them, goes last: it holds the address by
    which the others are found, so after a crash in the middle a second call
    goes on. After so many seconds it begins no further one. A session whose
    visitor has taken the address back meanwhile is left alone.
    """
    with context.without_trace(), transaction.atomic():
        record(
            events.PERSON_ERASURE_REQUESTED,
            session_uuid=session.uuid,
            reason=reason,
            sessions=len(among),
        )
    proven = UserSession.objects.proven_by(session.email)
    done, deadline = 0, time.monotonic() + seconds
    for one in sorted(among, key=lambda one: one.pk == session.pk):
        done += erase_session(session=one, reason=reason, among=proven)
        if time.monotonic() > deadline:
            break
    return done


def finish_erasure(*, session: UserSession) -> bool:
    """Note that nothing is left of an erased session; False while something is."""
    if any(describe(session, "remaining").values()):
        return False
    with transaction.atomic():
        erase_personal(session_uuids=[session.uuid])
        unfinished = UserSession.objects.being_erased().filter(pk=session.pk)
        if not unfinished.update(erased_at=timezone.now()):
            return False
        with context.without_trace():
            record(events.ERASED, session_uuid=session.uuid)
        return True


def finish_erasures(*, limit: int, seconds: float = float("inf")) -> int:
    """Finish up to `limit` erasures, and remove what late requests wrote down of erased visitors.

    After so many seconds it begins no further one: a store that does not answer takes its time.
    """
    done, deadline = 0, time.monotonic() + seconds
    for session in UserSession.objects.being_erased()[:limit]:
        session_erased.send(sender=None, session=session)
        done += finish_erasure(session=session)
        if time.monotonic() > deadline:
            break
    lately = UserSession.objects.filter(
        status=SessionStatus.ERASED, erased_at__gt=Now() - STRAGGLERS
    )
    erase_personal(session_uuids=list(lately.values_list("uuid", flat=True)[:limit]))
    return done


def _parts(session: UserSession) -> Iterator[tuple[str, Any]]:
    yield "session", _session_data(session)
    yield "consent", list(session.consents.values("purpose", "granted", "version", "changed_at"))
    yield from describe(session, "held").items()
    rows = history(session=session).iterator(chunk_size=SWEEP_BATCH)
    yield "events", map(_event_data, rows)


def _close(session: UserSession) -> None:
    """End the session and make its token one that nobody has ever known."""
    session.status, session.end_reason = SessionStatus.ERASED, ""
    session.ended_at = session.ended_at or timezone.now()
    session.token_hash, session.token_used_at = hash_token(generate_token()), timezone.now()
    session.completed_at = None
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
        # Of others, where they asked from is theirs and not the visitor's.
        "personal": personal.values() if personal and event.actor in VISITORS_OWN else {},
    }
