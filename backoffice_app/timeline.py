"""A session's timeline for the admin: its audit events and unfinished files, newest first."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from audit_app import actors
from audit_app.models import AuditLog, AuditOutcome
from audit_app.sentences import is_technical, sentence
from backoffice_app.answers import answer_about_event
from common import context
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile, UploadStatus

PAGE = 50
_SESSION = Q(event_type__startswith="session.") | Q(event_type__startswith="consent.")
_FILES = Q(event_type__startswith="upload.") | Q(event_type__startswith="object.")
_STAFF = Q(actor__startswith=context.STAFF) | Q(event_type__startswith="staff.")
_MACHINE = Q(actor=context.SYSTEM) | Q(actor__startswith="operator:")
# The filters of the timeline: label and condition.
FILTERS: dict[str, tuple[str, Q]] = {
    "": ("Everything", Q()),
    "session": ("Session", _SESSION),
    "files": ("Files", _FILES),
    "cleanup": ("Cleanup", _FILES & _MACHINE),
    "staff": ("Staff", _STAFF),
    "refused": ("Refusals", ~Q(outcome=AuditOutcome.SUCCESS)),
}
_WITH_FILES = ("", "files")
# Icons of maria/icons.svg by the type of an event, or by its kind.
_ICONS = {
    "session": "sessions",
    "consent": "check",
    "upload": "files",
    "object": "files",
    "staff": "people",
    "session.created": "plus",
    "session.completed": "check",
    "session.expired": "schedule",
    "session.extended": "schedule",
    "session.ended": "sign-out",
    "session.revoked": "lock",
    "session.recovery_issued": "key",
    "session.recovered": "key",
    "session.exported": "download",
    "session.erasure_requested": "trash",
    "session.erased": "trash",
    "upload.stored": "upload",
    "upload.started": "upload",
    "upload.deleted": "trash",
    "upload.downloaded": "download",
    "upload.quarantined": "lock",
    "upload.restored": "restore",
    "upload.lapsed": "warning",
    "upload.missing": "warning",
    "upload.inspected": "warning",
    "staff.file_downloaded": "download",
    "staff.session_viewed": "eye",
    "staff.personal_data_revealed": "eye",
}


@dataclass(frozen=True)
class TimelineEntry:
    """One line of the timeline. `log` is None if it comes from a file's row.

    `sentence` is split around the name of its file, which is a link.
    """

    at: datetime
    event: str
    sentence: str
    outcome: str
    icon: str = "info"
    is_technical: bool = False
    file: str = ""
    upload_id: uuid.UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)
    actor: str = ""
    came_from: str = ""
    request_id: str = ""
    answer: str = ""
    log: AuditLog | None = None

    @property
    def parts(self) -> tuple[str, str, str]:
        """The sentence as the text before the file's name, the name, and the text after it."""
        return self.sentence.partition(self.file or "a file")


@dataclass(frozen=True)
class Timeline:
    """One page of the timeline. `older` is the position of the next page, empty at the end."""

    entries: list[TimelineEntry]
    shown: str
    older: str


def timeline(session: UserSession, *, shown: str = "", before: str = "") -> Timeline:
    """Return up to 50 events of a session, and the unfinished files created in their period.

    `shown` is a key of FILTERS and `before` the `older` of another page. An
    invalid value means no filter, or the newest page.
    """
    shown = shown if shown in FILTERS else ""
    events = AuditLog.objects.about_session(session.uuid).filter(FILTERS[shown][1])
    start = _position(before)
    if start:
        at, pk = start
        events = events.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, pk__lt=pk))
    found = list(events.select_related("personal")[: PAGE + 1])
    logs, rest = found[:PAGE], found[PAGE:]
    is_revealed = getattr(session, "is_revealed", False)
    entries = [*_log_entries(logs, is_revealed)]
    if shown in _WITH_FILES:
        newest, oldest = start and start[0], logs[-1].occurred_at if rest else None
        entries += _unfinished_files(session, is_revealed, newest, oldest)
    entries.sort(key=lambda entry: (entry.at, entry.log.pk if entry.log else 0), reverse=True)
    older = f"{logs[-1].occurred_at.isoformat()},{logs[-1].pk}" if rest else ""
    return Timeline(entries, shown, older)


def _log_entries(logs: list[AuditLog], is_revealed: bool) -> Iterator[TimelineEntry]:
    people = actors.people(log.actor for log in logs)
    for log in logs:
        part = getattr(log, "personal", None)
        values = (part.values() if is_revealed else part.masked_values()) if part else {}
        file = values.get("file_name", "")
        yield TimelineEntry(
            at=log.occurred_at,
            event=log.event_type,
            sentence=sentence(log, who=actors.subject(log.actor, people), file=file),
            outcome=log.outcome,
            icon=icon(log),
            is_technical=is_technical(log),
            file=file,
            upload_id=_upload_of(log),
            details={name: value for name, value in log.details.items() if value},
            actor=log.actor,
            came_from=", ".join(filter(None, [values.get("address"), values.get("user_agent")])),
            request_id=log.request_id,
            answer=answer_about_event(log, file if is_revealed else ""),
            log=log,
        )


def icon(log: AuditLog) -> str:
    """Return the name of an event's icon: of a refusal, of its type, or of its kind."""
    if log.outcome != AuditOutcome.SUCCESS:
        return "cross"
    kind, _, _ = log.event_type.partition(".")
    return _ICONS.get(log.event_type, _ICONS.get(kind, "info"))


def _unfinished_files(
    session: UserSession, is_revealed: bool, newest: datetime | None, oldest: datetime | None
) -> Iterator[TimelineEntry]:
    """Yield files that are pending or lapsed: the log has no event for them."""
    files = UploadedFile.objects.filter(
        session=session, direct=False, status__in=[UploadStatus.PENDING, UploadStatus.LAPSED]
    )
    if newest:
        files = files.filter(created_at__lt=newest)
    if oldest:
        files = files.filter(created_at__gte=oldest)
    for upload in files.order_by("-created_at")[:PAGE]:
        waiting = upload.status == UploadStatus.PENDING
        name = (upload.name if is_revealed else "") or str(upload)
        yield TimelineEntry(
            at=upload.created_at,
            event="upload started",
            sentence=f"The upload of {name} is in progress."
            if waiting
            else f"The upload of {name} was never finished.",
            outcome="pending" if waiting else "lapsed",
            icon="upload" if waiting else "warning",
            file=name,
            upload_id=upload.pk,
        )


def _upload_of(log: AuditLog) -> uuid.UUID | None:
    kind, _, name = log.target.partition(":")
    return _read(uuid.UUID, name) if kind == "upload" else None


def _position(before: str) -> tuple[datetime, int] | None:
    at, _, pk = before.partition(",")
    time, number = _read(_parse_time, at), _read(int, pk)
    return (time, number) if time and number and 0 < number < 2**63 else None


def _parse_time(text: str) -> datetime | None:
    time = parse_datetime(text)
    return time.astimezone(UTC) if time and time.tzinfo else None


def _read(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, OverflowError):
        return None
