"""The parts of the invented history: rows, events and the source of random values."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from audit_app.events import EventType
from audit_app.models import AuditLog, AuditPersonal
from audit_app.services import Entry, of_the_past
from common import context
from common.context import RequestContext
from demo_app import people
from demo_app.people import DemoVisitor
from sessions_app.models import Consent, UserSession
from uploads_app.models import ErasureNote, UploadedFile, UploadQuota

PERIOD = timedelta(days=30)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SYSTEM = RequestContext()


@dataclass
class DemoRows:
    """Rows to write, in the order that foreign keys need."""

    sessions: list[UserSession] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    uploads: list[UploadedFile] = field(default_factory=list)
    quotas: list[UploadQuota] = field(default_factory=list)
    notes: list[ErasureNote] = field(default_factory=list)
    events: list[tuple[AuditLog, AuditPersonal | None]] = field(default_factory=list)
    # Key → bytes of the objects in the store.
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoEvent:
    """An audit event before it becomes rows."""

    at: datetime
    event: EventType
    entry: Entry
    request_context: RequestContext


@dataclass(frozen=True)
class DemoContext:
    """The values that all chunks share: the end of the history, the staff, and whether files have bytes.

    `support` are the members of `staff` who work with visitors.
    """

    now: datetime
    staff: Sequence[int]
    support: Sequence[int]
    with_files: bool


class EventCollector:
    """Collects rows; turns events into audit rows with the code that writes real ones."""

    def __init__(self, random: Random, demo_context: DemoContext) -> None:
        self.random, self.demo_context, self.rows = random, demo_context, DemoRows()

    def add(self, event: DemoEvent, *, personal_erased: bool = False) -> None:
        log, part = of_the_past(
            event.event,
            event.entry,
            request_context=event.request_context,
            occurred_at=event.at,
            event_id=self.uuid(),
            salt=f"{self.random.getrandbits(256):064x}",
        )
        self.rows.events.append((log, None if personal_erased else part))

    def finished(self) -> DemoRows:
        """Return all rows, events in the order of their time."""
        self.rows.events.sort(key=lambda pair: pair[0].occurred_at)
        return self.rows

    def uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def request(self, visitor: DemoVisitor, actor: str = context.VISITOR) -> RequestContext:
        request_id = f"{self.random.getrandbits(128):032x}"
        return RequestContext(request_id, visitor.address, visitor.user_agent, actor)

    def staff_request(self, member: int = 0) -> RequestContext:
        """Return the context of a staff member's request; of a random Support member by default."""
        member = member or self.random.choice(self.demo_context.support)
        return self.request(people.staff_client(member), f"{context.STAFF}{member}")

    def between(self, start: datetime, end: datetime) -> datetime:
        """Return a random time; `start` if `end` is before it."""
        return start + max(end - start, timedelta(0)) * self.random.random()

    def chance(self, share: float) -> bool:
        return self.random.random() < share
