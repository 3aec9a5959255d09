"""Recording audit events, and erasing their personal parts."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from audit_app.canonical import Value, canonical_text, commitment
from audit_app.events import EventType
from audit_app.models import AuditLog, AuditPersonal, FeedEntry
from common import context
from common.clock import DATABASE_CLOCK
from common.statements import CompiledInsert, writing
from common.text import storable

REFUSAL_WINDOW_SECONDS = 60
HOUR_SECONDS = 60 * 60
ERASE_BATCH = 500

_LOGS = CompiledInsert(AuditLog)
_FEED = CompiledInsert(FeedEntry)
_PARTS = CompiledInsert(AuditPersonal)


class EffectWithoutTransaction(RuntimeError):
    """An event was recorded outside a transaction, so it could exist without its change."""


@dataclass(frozen=True)
class Personal:
    """The personal values of one event, stored separately so that they can be erased."""

    file_name: str = ""
    email: str = ""


@dataclass(frozen=True)
class Entry:
    """The arguments of `record` for one event."""

    session_uuid: uuid.UUID | None = None
    target: str = ""
    personal: Personal | None = None
    details: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """An event about a refused request, recorded after its transaction was rolled back.

    Refusals of one event with different `kind`s are counted separately. At most one
    event is written in `window_seconds`.
    """

    event: EventType
    kind: str = ""
    session_uuid: uuid.UUID | None = None
    personal: Personal | None = None
    details: Mapping[str, Value] = field(default_factory=dict)
    window_seconds: int = REFUSAL_WINDOW_SECONDS


def record(
    event: EventType,
    *,
    session_uuid: uuid.UUID | None = None,
    target: str = "",
    personal: Personal | None = None,
    **details: Value,
) -> AuditLog:
    """Record one event, in the transaction of the change that it is about.

    The actor and client come from the request context. Raises
    EffectWithoutTransaction outside a transaction, ValueError for a key of
    `details` that the event type does not list, and TypeError for a value that
    is not a string, integer, boolean or None.
    """
    return _write(event, [Entry(session_uuid, target, personal, details)])[0]


def record_many(event: EventType, entries: Iterable[Entry]) -> None:
    """Record one event for each entry, as `record` does, with few statements for all."""
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
    """Build the rows of an event at a past time without saving them, for demo data."""
    part = _personal_part(request_context, entry.personal or Personal(), salt)
    log = _log(event, entry, request_context, part, event_id=event_id, occurred_at=occurred_at)
    return log, part


def erase_personal(*, session_uuids: Sequence[uuid.UUID]) -> int:
    """Delete the personal parts about sessions' visitors; return how many.

    The events stay unchanged. The personal part of a staff member's event stays,
    unless it contains the visitor's file name or e-mail address.
    """
    of_visitor = ~Q(log__actor__startswith=context.STAFF) | Q(file_name__gt="") | Q(email__gt="")
    removed = 0
    for start in range(0, len(session_uuids), ERASE_BATCH):
        chunk = session_uuids[start : start + ERASE_BATCH]
        parts = AuditPersonal.objects.filter(of_visitor, log__session_uuid__in=chunk)
        removed += parts.delete()[0]
    return removed


def erase_emails(*, session_uuid: uuid.UUID) -> None:
    """Delete the personal parts of a session's events that have an e-mail address."""
    AuditPersonal.objects.filter(log__session_uuid=session_uuid, email__gt="").delete()


def record_refusal(refusal: Refusal) -> AuditLog | None:
    """Record a refusal as `record_folded` does, by default at most once a minute."""
    entry = Entry(refusal.session_uuid, "", refusal.personal, refusal.details)
    return record_folded(
        refusal.event, entry, kind=refusal.kind, window_seconds=refusal.window_seconds
    )


def record_folded(
    event: EventType, entry: Entry, *, kind: str = "", window_seconds: int
) -> AuditLog | None:
    """Record an event in its own transaction: at most one in a window for each key.

    The key is the event, the kind and the session or client. Further events in
    the window are counted, and the next one for the key has their number in
    `repeated`. Returns None if the event was only counted.
    """
    identifier = entry.session_uuid or context.current().client
    name = hashlib.sha256(f"{event.name}\n{kind}\n{identifier}".encode()).hexdigest()
    counter = f"refused:{name}"
    if not cache.add(f"refusal:{name}", True, window_seconds):
        cache.add(counter, 0, None)
        with suppress(ValueError):  # a full cache dropped it in between: one count is lost
            cache.incr(counter)
        return None
    if repeated := cache.get(counter, 0):
        # Subtracted, not deleted: another thread may count at the same time.
        with suppress(ValueError):
            cache.decr(counter, repeated)
    with transaction.atomic():
        counted = replace(entry, details={**entry.details, "repeated": repeated})
        return _write(event, [counted])[0]


def _write(event: EventType, entries: Iterable[Entry]) -> list[AuditLog]:
    if not transaction.get_connection().in_atomic_block:
        raise EffectWithoutTransaction(f"{event.name} must be recorded inside a transaction")
    request_context = context.current()
    logs: list[AuditLog] = []
    parts: list[AuditPersonal | None] = []
    for entry in entries:
        parts.append(_personal_part(request_context, entry.personal or Personal()))
        logs.append(_log(event, entry, request_context, parts[-1]))
    with writing() as cursor:
        _LOGS.insert(logs, cursor)
        if event.feed:
            _FEED.insert([_FEED.new(log_id=log.pk) for log in logs], cursor)
        for log, part in zip(logs, parts, strict=True):
            if part:
                part.log_id = log.pk
        _PARTS.insert([part for part in parts if part], cursor)
    return logs


def _log(
    event: EventType,
    entry: Entry,
    request_context: context.RequestContext,
    part: AuditPersonal | None,
    **chosen: Any,
) -> AuditLog:
    if unknown := entry.details.keys() - event.keys:
        raise ValueError(f"{event.name} has no detail {', '.join(sorted(unknown))}")
    outcome = str(event.outcome)
    log = _LOGS.new(
        **{"occurred_at": DATABASE_CLOCK.now(), **chosen},
        event_type=event.name,
        outcome=outcome,
        session_uuid=entry.session_uuid,
        target=storable(entry.target, 255),
        actor=request_context.actor,
        request_id=request_context.request_id,
        network=request_context.network,
        retention=event.retention,
    )
    log.text = canonical_text(
        {
            "event_id": str(log.event_id),
            "occurred_at": log.occurred_at.isoformat(),
            "event_type": log.event_type,
            "outcome": outcome,
            "session_uuid": str(entry.session_uuid) if entry.session_uuid else None,
            "target": log.target,
            "actor": log.actor,
            "request_id": log.request_id,
            "network": log.network,
            "details": entry.details,
            "personal": commitment(part.salt, part.values()) if part else None,
            **({"trace_id": request_context.trace_id} if request_context.trace_id else {}),
        }
    )
    return log


def _personal_part(
    request_context: context.RequestContext, personal: Personal, salt: str = ""
) -> AuditPersonal | None:
    part = _PARTS.new(
        salt=salt or secrets.token_hex(32),
        address=str(request_context.address or ""),
        user_agent=request_context.user_agent,
        file_name=storable(personal.file_name, 255),
        email=storable(personal.email, 254),
    )
    return part if part.values() else None
