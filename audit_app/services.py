"""The one way to write an audit event."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit_app.canonical import Value, canonical_text, commitment
from audit_app.events import EventType
from audit_app.models import AuditLog, AuditPersonal, FeedEntry
from common import context
from common.text import storable

REFUSAL_WINDOW_SECONDS = 60
ERASE_BATCH = 500


class EffectWithoutTransaction(RuntimeError):
    """An event was recorded outside a transaction, so it could exist without its effect."""


@dataclass(frozen=True)
class Personal:
    """The personal values of one event; they are kept apart and can be erased."""

    file_name: str = ""
    email: str = ""


@dataclass(frozen=True)
class Entry:
    """What one event of many speaks of; see `record`."""

    session_uuid: uuid.UUID | None = None
    target: str = ""
    personal: Personal | None = None
    details: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """What an exception asks to have recorded once its transaction is rolled back.

    `kind` tells refusals of one event apart when they are counted.
    """

    event: EventType
    kind: str = ""
    session_uuid: uuid.UUID | None = None
    personal: Personal | None = None
    details: Mapping[str, Value] = field(default_factory=dict)


def record(
    event: EventType,
    *,
    session_uuid: uuid.UUID | None = None,
    target: str = "",
    personal: Personal | None = None,
    **details: Value,
) -> AuditLog:
    """Write one event, in the transaction of the effect it speaks of.

    Who acts and from where comes from the current context. `details` may hold
    only the keys the event type lists. Raises EffectWithoutTransaction outside
    a transaction, ValueError for a key the type does not list, TypeError for a
    value that is not text, integer, boolean or None.
    """
    return _write(event, [Entry(session_uuid, target, personal, details)])[0]


def record_many(event: EventType, entries: Iterable[Entry]) -> None:
    """Write one event for each entry, as `record` does, in a few statements for all of them."""
    _write(event, entries)


def of_the_past(
    event: EventType,
    entry: Entry,
    *,
    request_context: context.RequestContext,
    occurred_at: datetime,
    event_id: uuid.UUID,
    salt: str,
) -> tuple[AuditLog, AuditPersonal | None]:
    """Make what `record` would have written then, and save nothing; for an invented history."""
    part = _personal_part(request_context, entry.personal or Personal(), salt)
    log = _log(event, entry, request_context, part, event_id=event_id, occurred_at=occurred_at)
    return log, part


def erase_personal(*, session_uuids: Sequence[uuid.UUID]) -> int:
    """Remove what audit rows say of sessions' visitors; return from how many.

    The rows stand unchanged. What a row says of a staff member who acted on the
    session stays, unless it names the visitor's file or e-mail address.
    """
    of_visitor = ~Q(log__actor__startswith=context.STAFF) | Q(file_name__gt="") | Q(email__gt="")
    removed = 0
    for start in range(0, len(session_uuids), ERASE_BATCH):
        chunk = session_uuids[start : start + ERASE_BATCH]
        parts = AuditPersonal.objects.filter(of_visitor, log__session_uuid__in=chunk)
        removed += parts.delete()[0]
    return removed


def erase_emails(*, session_uuid: uuid.UUID) -> None:
    """Remove the personal parts of a session's audit rows that hold an e-mail address."""
    AuditPersonal.objects.filter(log__session_uuid=session_uuid, email__gt="").delete()


def record_refusal(refusal: Refusal) -> AuditLog | None:
    """Write a refusal in a transaction of its own: at most one row a minute for each key.

    The key is the event, the kind and whom it was refused to. Further refusals
    of the minute are counted, and the next row for the key says in `repeated`
    how many it stands for beside itself. Returns None when it was only counted.
    """
    identifier = refusal.session_uuid or context.current().client
    name = hashlib.sha256(
        f"{refusal.event.name}\n{refusal.kind}\n{identifier}".encode()
    ).hexdigest()
    counter = f"refused:{name}"
    if not cache.add(f"refusal:{name}", True, REFUSAL_WINDOW_SECONDS):
        cache.add(counter, 0, None)
        with suppress(ValueError):  # a full cache dropped it in between: one count is lost
            cache.incr(counter)
        return None
    if repeated := cache.get(counter, 0):
        # Taken off, not deleted: what another thread counts meanwhile stays counted.
        with suppress(ValueError):
            cache.decr(counter, repeated)
    with transaction.atomic():
        details = {**refusal.details, "repeated": repeated}
        entry = Entry(refusal.session_uuid, "", refusal.personal, details)
        return _write(refusal.event, [entry])[0]


def _write(event: EventType, entries: Iterable[Entry]) -> list[AuditLog]:
    if not transaction.get_connection().in_atomic_block:
        raise EffectWithoutTransaction(f"{event.name} must be recorded inside a transaction")
    request_context = context.current()
    logs, parts = [], []
    for entry in entries:
        part = _personal_part(request_context, entry.personal or Personal())
        log = _log(event, entry, request_context, part)
        logs.append(log)
        if part:
            part.log = log
            parts.append(part)
    AuditLog.objects.bulk_create(logs)
    if event.feed:
        FeedEntry.objects.bulk_create(FeedEntry(log=log) for log in logs)
    for part in parts:
        part.log_id = part.log.pk
    AuditPersonal.objects.bulk_create(parts)
    return logs


def _log(
    event: EventType,
    entry: Entry,
    request_context: context.RequestContext,
    part: AuditPersonal | None,
    **chosen: Any,
) -> AuditLog:
    if unknown := entry.details.keys() - event.keys:
        raise ValueError(f"{event.name} does not carry {', '.join(sorted(unknown))}")
    log = AuditLog(
        **{"occurred_at": timezone.now(), **chosen},
        event_type=event.name,
        outcome=event.outcome,
        session_uuid=entry.session_uuid,
        target=storable(entry.target, 255),
        actor=request_context.actor,
        request_id=request_context.request_id,
        network=request_context.network,
    )
    log.text = canonical_text(
        {
            "event_id": str(log.event_id),
            "occurred_at": log.occurred_at.isoformat(),
            "event_type": log.event_type,
            "outcome": str(event.outcome),
            "session_uuid": str(entry.session_uuid) if entry.session_uuid else None,
            "target": log.target,
            "actor": log.actor,
            "request_id": log.request_id,
            "network": log.network,
            "details": entry.details,
            "personal": commitment(part.salt, part.values()) if part else None,
        }
    )
    return log


def _personal_part(
    request_context: context.RequestContext, personal: Personal, salt: str = ""
) -> AuditPersonal | None:
    part = AuditPersonal(
        salt=salt or secrets.token_hex(32),
        address=str(request_context.address or ""),
        user_agent=request_context.user_agent,
        file_name=storable(personal.file_name, 255),
        email=storable(personal.email, 254),
    )
    return part if part.values() else None
