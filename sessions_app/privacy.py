"""What is held about a visitor: shown to them, handed out, and erased."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app import context
from audit_app.models import AuditLog, AuditQuerySet
from audit_app.services import erase_personal, record
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.identity import forget_identity
from sessions_app.models import RecoveryCode, RetiredToken, Status, UserSession
from sessions_app.signals import describe, session_erased, session_erasing

# A request that was under way during an erasure may still write down whom it came from.
STRAGGLERS = timedelta(days=1)
SWEEP_BATCH = 500
VISITORS_OWN = frozenset({context.VISITOR, context.SYSTEM})


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


def export_session(*, session: UserSession) -> Iterator[tuple[str, Any]]:
    """Record that a session is exported, and return everything held about it, part by part.

    Parts are names with plain values; the last, `events`, is an iterator, so
    that a long history need not fit in memory.
    """
    # Now, and not when the first part is asked for: by then the request's context has ended.
    with transaction.atomic():
        record(events.EXPORTED, session_uuid=session.uuid)
    return _parts(session)


def erase_session(*, session: UserSession, reason: str) -> None:
    """Close a session for good and remove everything personal, and its files.

    The database forgets in one transaction; the files' bytes go right after. If
    storage fails, the cleanup and the sweep finish. The audit rows stay, without
    their personal parts; so do the session's row and its files', without
    names. Nothing that the erasure itself records says who asked for it.
    """
    with context.without_trace():
        with transaction.atomic():
            held = UserSession.objects.select_for_update().get(pk=session.pk)
            if held.status == Status.ERASED:
                return
            _forget(held)
            _close(held)
            session_erasing.send(sender=None, session=held)
            record(events.ERASURE_REQUESTED, session_uuid=held.uuid, reason=reason)
        session_erased.send(sender=None, session=held)
        finish_erasure(session=held)


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
    lately = UserSession.objects.filter(status=Status.ERASED, erased_at__gt=Now() - STRAGGLERS)
    erase_personal(session_uuids=list(lately.values_list("uuid", flat=True)[:limit]))
    return done


def _parts(session: UserSession) -> Iterator[tuple[str, Any]]:
    yield "session", _told(session)
    yield "consent", list(session.consents.values("purpose", "granted", "version", "changed_at"))
    yield from describe(session, "held").items()
    rows = history(session=session).iterator(chunk_size=SWEEP_BATCH)
    yield "events", map(_told_event, rows)


def _close(session: UserSession) -> None:
    """End the session and make its token one that nobody has ever known."""
    session.status, session.end_reason = Status.ERASED, ""
    session.ended_at = session.ended_at or timezone.now()
    session.token_hash, session.token_used_at = hash_token(generate_token()), timezone.now()
    session.completed_at = None
    session.save()


def _forget(session: UserSession) -> None:
    forget_identity(session=session)
    RetiredToken.objects.filter(session=session).delete()
    RecoveryCode.objects.filter(session=session).delete()
    erase_personal(session_uuids=[session.uuid])


def _told(session: UserSession) -> dict[str, Any]:
    fields = (
        "uuid", "support_code", "status", "name", "email", "completed_at", "created_at",
        "last_seen_at", "used_at", "expires_at", "ended_at", "end_reason",
    )  # fmt: skip
    told = {name: getattr(session, name) for name in fields}
    return {**told, "identity": session.identity, "predecessor": session.predecessor_id}


def _told_event(event: AuditLog) -> dict[str, Any]:
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
