"""A stretch of an invented history: sessions that began one after the other, and all that became of them.

Nothing is written here; see writing.py. Every audit row is made by the code
that makes a real one, and every state is one that the services lead to.
"""

import hashlib
import io
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from random import Random

from django.conf import settings
from pypdf import PdfWriter

from audit_app import events as staff_events
from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.models import AuditLog, AuditPersonal
from audit_app.services import Entry, Personal, of_the_past
from common import context
from common.context import RequestContext
from demo_app import people
from demo_app.people import DemoVisitor
from sessions_app import events as session_events
from sessions_app.models import Consent, SessionStatus, UserSession
from sessions_app.uuid_helpers import CROCKFORD, support_code
from uploads_app import events as upload_events
from uploads_app.models import (
    IN_QUOTA,
    VISIBLE,
    ErasureNote,
    Inspection,
    Suspicion,
    UploadedFile,
    UploadQuota,
    UploadStatus,
    object_key,
)
from uploads_app.storage.base import erased_key

PERIOD = timedelta(days=30)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SYSTEM = RequestContext()
SERVICE = "service:maria-agent"
# How many files a session gets: two on average.
_FILES = (0, 1, 2, 3)
_FILES_WEIGHTS = (10, 20, 30, 40)
_VERDICTS = (Inspection.CLEAN, Inspection.SUSPECT, Inspection.UNREADABLE)
_VERDICT_WEIGHTS = (93, 4, 3)
_SUSPICIONS: dict[str, list[str]] = {
    Inspection.SUSPECT: [str(Suspicion.EMBEDDED_FILE)],
    Inspection.UNREADABLE: [str(Suspicion.MALFORMED)],
}
_ENDINGS = (
    "",
    SessionStatus.RESET,
    SessionStatus.ENDED,
    SessionStatus.REVOKED,
    SessionStatus.ERASED,
)
_ENDING_WEIGHTS = (80, 8, 7, 2, 3)
_RECENT_VISITORS = 200
_IN_STORE = (UploadStatus.STORED, UploadStatus.QUARANTINED, UploadStatus.DELETING)


@dataclass
class DemoRows:
    """What is to be written, in an order in which each row finds those it names."""

    sessions: list[UserSession] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    uploads: list[UploadedFile] = field(default_factory=list)
    quotas: list[UploadQuota] = field(default_factory=list)
    notes: list[ErasureNote] = field(default_factory=list)
    events: list[tuple[AuditLog, AuditPersonal | None]] = field(default_factory=list)
    # Key → bytes of what lies in the store.
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoEvent:
    """An event that happened, not yet made into rows."""

    at: datetime
    event: EventType
    entry: Entry
    request_context: RequestContext


@dataclass(frozen=True)
class DemoContext:
    """What all stretches share: the moment it ends at, who works here, and whether files have bytes.

    Of all `staff`, those of `support` meet visitors.
    """

    now: datetime
    staff: Sequence[int]
    support: Sequence[int]
    with_files: bool


class EventCollector:
    """Collects events and makes them rows, in the order of their time."""

    def __init__(self, random: Random, demo_context: DemoContext) -> None:
        self.random, self.demo_context, self.rows = random, demo_context, DemoRows()

    def note(self, event: DemoEvent, *, forgotten: bool = False) -> None:
        """Add an event; `forgotten` if its personal part has been erased since."""
        log, part = of_the_past(
            event.event,
            event.entry,
            request_context=event.request_context,
            occurred_at=event.at,
            event_id=self.uuid(),
            salt=f"{self.random.getrandbits(256):064x}",
        )
        self.rows.events.append((log, None if forgotten else part))

    def finished(self) -> DemoRows:
        """Return everything, events by their time."""
        self.rows.events.sort(key=lambda pair: pair[0].occurred_at)
        return self.rows

    def uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def request(self, visitor: DemoVisitor, actor: str = context.VISITOR) -> RequestContext:
        """Return the context of a new request."""
        request_id = f"{self.random.getrandbits(128):032x}"
        return RequestContext(request_id, visitor.address, visitor.user_agent, actor)

    def staff_request(self, member: int = 0) -> RequestContext:
        """Return the context of a new request of a staff member, of Support unless one is given."""
        member = member or self.random.choice(self.demo_context.support)
        return self.request(people.staff_client(member), f"{context.STAFF}{member}")

    def between(self, start: datetime, end: datetime) -> datetime:
        """Return some moment; `start` if `end` is before it."""
        return start + max(end - start, timedelta(0)) * self.random.random()

    def chance(self, share: float) -> bool:
        return self.random.random() < share


class SessionHistories(EventCollector):
    """Tells sessions, one after the other, each with its successors."""

    def __init__(
        self, random: Random, demo_context: DemoContext, numbers: range, total: int
    ) -> None:
        super().__init__(random, demo_context)
        self._numbers, self._total = numbers, total
        self._known: list[DemoVisitor] = []

    def generate(self, first_code: int) -> DemoRows:
        """Return the sessions of these numbers of `total`; `first_code` is how many codes are taken."""
        self._first_code = first_code
        while self.room:
            place = (self._numbers.start + len(self.rows.sessions) + self.random.random()) / max(
                self._total, 1
            )
            SessionHistory(
                self, self._visitor(), began_at(self.demo_context.now, min(place, 1.0))
            ).generate()
        return self.finished()

    @property
    def room(self) -> int:
        """How many sessions are still to be told."""
        return len(self._numbers) - len(self.rows.sessions)

    def next_code(self) -> str:
        number = self._first_code + self._numbers.start + len(self.rows.sessions)
        return code_of(number)

    def _visitor(self) -> DemoVisitor:
        """Return somebody new, or now and then somebody who was here lately."""
        if self._known and self.chance(0.2):
            return self.random.choice(self._known[-_RECENT_VISITORS:])
        number = self._first_code + self._numbers.start + len(self._known)
        self._known.append(people.visitor(self.random, number))
        return self._known[-1]


class SessionHistory:
    """One session from its beginning to now."""

    def __init__(
        self,
        book: SessionHistories,
        visitor: DemoVisitor,
        began: datetime,
        predecessor: UserSession | None = None,
    ) -> None:
        self.book, self.random, self.visitor = book, book.random, visitor
        self.now = book.demo_context.now
        self.events: list[DemoEvent] = []
        self.uploads: list[UploadedFile] = []
        self.consents: list[Consent] = []
        self.bodies: dict[str, bytes] = {}
        self.session = UserSession(
            uuid=book.uuid(),
            support_code=book.next_code(),
            token_hash=f"{self.random.getrandbits(256):064x}",  # of a token that nobody has
            token_used_at=began,
            proven_at=began,
            created_at=began,
            last_seen_at=began,
            expires_at=began,
            predecessor=predecessor,
        )
        # What is done at once is done in the first hour.
        self.busy_until = began + min(HOUR, self.now - began)

    def generate(self) -> UserSession:
        """Add everything that happened, successors included."""
        session, book = self.session, self.book
        book.rows.sessions.append(session)
        self._say(
            session.created_at,
            session_events.CREATED,
            book.request(self.visitor),
            credential="bearer" if book.chance(0.05) else "cookie",
            support_code=session.support_code,
        )
        if book.chance(0.35):
            self._identify()
        for _ in range(self.random.choices(_FILES, _FILES_WEIGHTS)[0]):
            self._upload(book.between(session.created_at, self.busy_until))
        self._stay()
        self._meet_refusals()
        self._end()
        self._forget_when_over()
        self._meet_staff()
        self._write_down()
        return session

    def _say(
        self,
        at: datetime,
        event: EventType,
        request_context: RequestContext,
        *,
        target: str = "",
        personal: Personal | None = None,
        **details: Value,
    ) -> None:
        entry = Entry(self.session.uuid, target, personal, details)
        self.events.append(DemoEvent(at, event, entry, request_context))

    def _say_of(
        self,
        upload: UploadedFile,
        at: datetime,
        event: EventType,
        request_context: RequestContext,
        **details: Value,
    ) -> None:
        self._say(
            at,
            event,
            request_context,
            target=f"upload:{upload.pk}",
            personal=Personal(file_name=upload.name),
            **details,
        )

    def _identify(self) -> None:
        """Let the visitor say who they are, and a third of them prove it."""
        session, book = self.session, self.book
        at, request_context = (
            book.between(session.created_at, self.busy_until),
            book.request(self.visitor),
        )
        session.name, session.email, session.used_at = self.visitor.name, self.visitor.email, at
        personal = Personal(email=session.email)
        self._say(
            at, session_events.IDENTIFIED, request_context, personal=personal, fields="email,name"
        )
        for purpose in settings.CONSENT_PURPOSES:
            self._consent(purpose, at, request_context)
        session.token_used_at = at
        self._say(at, session_events.TOKEN_ROTATED, request_context, reason="contact_data")
        if book.chance(0.35):
            at, request_context = book.between(at, self.busy_until), book.request(self.visitor)
            session.email_proven, session.completed_at, session.token_used_at = True, at, at
            self._say(at, session_events.COMPLETED, request_context, personal=personal)
            self._say(at, session_events.TOKEN_ROTATED, request_context, reason="completed")

    def _consent(self, purpose: str, at: datetime, request_context: RequestContext) -> None:
        granted = self.book.chance(0.8)
        self.consents.append(
            Consent(
                session=self.session,
                purpose=purpose,
                granted=granted,
                version="2026-01",
                changed_at=at,
            )
        )
        event = session_events.CONSENT_GRANTED if granted else session_events.CONSENT_WITHDRAWN
        self._say(at, event, request_context, purpose=purpose, version="2026-01")

    def _upload(self, began: datetime) -> None:
        """Let the visitor send a file, and tell what became of it while the session lived."""
        book, request_context = self.book, self.book.request(self.visitor)
        upload = self._new_upload(began, request_context)
        if book.chance(0.02) and upload.lease_expires_at < self.now:
            upload.status = UploadStatus.LAPSED
            self._say_of(
                upload, upload.lease_expires_at, upload_events.LAPSED, SYSTEM, reason="lease"
            )
            return
        if upload.direct and book.chance(0.05):
            upload.status, upload.deleted_at = UploadStatus.REJECTED, began
            self._say_of(
                upload, began, upload_events.REJECTED, request_context, code="type_not_allowed"
            )
            return
        self._store(upload, request_context)
        self._inspect(upload)
        if book.chance(0.003):
            upload.status = UploadStatus.MISSING
            self._say_of(
                upload, self._later(upload), upload_events.MISSING, SYSTEM, **_bytes_of(upload)
            )
        elif book.chance(0.05):
            request = book.request(people.AGENT, SERVICE)
            self._say_of(
                upload, self._later(upload), upload_events.DOWNLOADED, request, size=upload.size
            )

    def _new_upload(self, began: datetime, request_context: RequestContext) -> UploadedFile:
        upload_id = self.book.uuid()
        upload = UploadedFile(
            id=upload_id,
            session=self.session,
            key=object_key(self.session.uuid, upload_id, "pdf"),
            name=people.file_name(self.random),
            content_type="application/pdf",
            size=int(self.random.lognormvariate(12, 1)) % settings.UPLOAD_MAX_BYTES + 1,
            created_at=began,
            lease_expires_at=began + settings.UPLOAD_LEASE,
            direct=self.book.chance(0.08),
        )
        self.uploads.append(upload)
        if upload.direct:
            self._say_of(upload, began, upload_events.STARTED, request_context, size=upload.size)
        return upload

    def _store(self, upload: UploadedFile, request_context: RequestContext) -> None:
        upload.status, upload.stored_at = UploadStatus.STORED, upload.created_at
        verdict = self.random.choices(_VERDICTS, _VERDICT_WEIGHTS)[0]
        upload.inspection = verdict
        if self.book.demo_context.with_files:
            body = self.bodies[upload.key] = body_of(upload)
            upload.size, upload.sha256 = len(body), hashlib.sha256(body).hexdigest()
        else:
            upload.sha256 = f"{self.random.getrandbits(256):064x}"
        self.session.used_at = self.session.used_at or upload.stored_at
        self._say_of(
            upload,
            upload.stored_at,
            upload_events.STORED,
            request_context,
            content_type=upload.content_type,
            **_bytes_of(upload),
        )

    def _inspect(self, upload: UploadedFile) -> None:
        assert upload.stored_at
        at = upload.stored_at + MINUTE * self.random.random()
        if at > self.now:
            upload.inspection = Inspection.WAITING
            return
        upload.inspected_at, upload.suspicions = at, _SUSPICIONS.get(upload.inspection, [])
        self._say_of(
            upload,
            at,
            upload_events.INSPECTED,
            SYSTEM,
            verdict=str(upload.inspection),
            suspicions=", ".join(upload.suspicions),
        )

    def _stay(self) -> None:
        """Decide how long the visitor came back, and so when the session expires."""
        session, book = self.session, self.book
        acted = max(
            event.at for event in self.events if event.request_context.actor == context.VISITOR
        )
        if book.chance(0.15):
            session.last_seen_at = book.between(acted, min(self.now, session.last_moment))
        else:
            idle = DAY * self.random.expovariate(2)
            # A session that nobody uses any more expires, and nothing is done in it after that.
            session.last_seen_at = min(acted + min(idle, 20 * HOUR), self.now)
        session.expires_at = session.expiry(session.last_seen_at)
        for upload in self.uploads:
            if upload.status == UploadStatus.STORED and book.chance(0.07):
                at = self._later(upload, session.last_seen_at)
                self._delete(upload, at, "visitor", book.request(self.visitor))

    def _later(self, upload: UploadedFile, until: datetime | None = None) -> datetime:
        start = upload.inspected_at or upload.stored_at or upload.created_at
        return self.book.between(start, until or min(self.now, start + DAY))

    def _delete(
        self, upload: UploadedFile, at: datetime, reason: str, request_context: RequestContext
    ) -> None:
        upload.status, upload.deleted_at, upload.delete_reason = UploadStatus.DELETED, at, reason
        self._say_of(
            upload, at, upload_events.DELETED, request_context, reason=reason, **_bytes_of(upload)
        )

    def _meet_refusals(self) -> None:
        session, book = self.session, self.book
        at = book.between(session.created_at, session.last_seen_at)
        if book.chance(0.02):
            code = self.random.choice(("session_mismatch", "session_header_required", "code_wrong"))
            request_context = book.request(self.visitor)
            self._say(
                at, session_events.REFUSED, request_context, code=code, reason=None, repeated=0
            )
        if book.chance(0.005):
            request_context = book.request(self.visitor)
            self._say(
                at,
                staff_events.RATE_LIMIT_EXCEEDED,
                request_context,
                limit=self.random.choice(("session-60s", "upload-60s", "export-3600s")),
                repeated=self.random.randint(0, 40),
            )
        if len(self.uploads) == len(_FILES) - 1 and book.chance(0.03):
            self._say(
                book.between(self.busy_until, session.last_seen_at),
                upload_events.QUOTA_EXCEEDED,
                book.request(self.visitor),
                personal=Personal(file_name=people.file_name(self.random)),
                max_files=settings.UPLOAD_MAX_FILES,
                max_total_bytes=settings.UPLOAD_MAX_TOTAL_BYTES,
                repeated=0,
            )
        if book.chance(0.005):
            self._say(at, session_events.EXPORTED, book.request(self.visitor))

    def _end(self) -> None:
        """Let the session end, if it has: by its visitor, by staff, or because its time ran out."""
        session, book = self.session, self.book
        at = min(session.last_seen_at + 10 * MINUTE * self.random.random(), self.now)
        ending = self.random.choices(_ENDINGS, _ENDING_WEIGHTS)[0]
        if ending == SessionStatus.RESET and book.room:
            self._reset(at, self.random.choice(("requested", "not_me")))
        elif ending == SessionStatus.ENDED:
            self._close(SessionStatus.ENDED, at, "visitor")
            self._say(
                at, session_events.ENDED, book.request(self.visitor), lost_files=self._visible
            )
        elif ending == SessionStatus.REVOKED:
            reason = self.random.choice(("The visitor asked for it", "Abuse"))
            self._close(SessionStatus.REVOKED, at, reason)
            self._say(
                at,
                session_events.REVOKED,
                book.staff_request(),
                reason=reason,
                lost_files=self._visible,
            )
        elif ending == SessionStatus.ERASED:
            self._erase(book.between(at, min(self.now, at + 2 * DAY, session.expires_at)))
        elif session.expires_at + 5 * MINUTE < self.now:
            self._expire()
        else:
            self._go_on()

    def _close(self, status: SessionStatus, at: datetime, reason: str) -> None:
        self.session.status, self.session.ended_at, self.session.end_reason = status, at, reason

    def _expire(self) -> None:
        session, book = self.session, self.book
        reason = session.expiry_reason()
        self._close(SessionStatus.EXPIRED, session.expires_at, reason)
        noticed = session.expires_at + 5 * MINUTE * self.random.random()
        self._say(noticed, session_events.EXPIRED, SYSTEM, reason=reason)
        if book.room and book.chance(0.1):
            self._reset(book.between(noticed, self.now), "expired")

    def _reset(self, at: datetime, reason: str) -> None:
        """Let the visitor go on in a successor, whose own story follows."""
        session, before = self.session, self.session.status
        if before == SessionStatus.ACTIVE:
            self._close(SessionStatus.RESET, at, reason)
        successor = SessionHistory(self.book, self.visitor, at, session).generate()
        self._say(
            at,
            session_events.RESET,
            self.book.request(self.visitor),
            reason=reason,
            from_status=str(before),
            successor=str(successor.uuid),
            lost_files=self._visible,
        )

    def _erase(self, at: datetime) -> None:
        """Forget the visitor as `erase_session` does; who asked leaves no trace."""
        session = self.session
        request_context = RequestContext(
            self.book.request(self.visitor).request_id, actor=context.VISITOR
        )
        session.name = session.email = ""
        session.email_proven, session.completed_at = False, None
        self.consents.clear()
        self._close(SessionStatus.ERASED, at, "")
        session.erased_at = session.token_used_at = at
        self._say(at, session_events.ERASURE_REQUESTED, request_context, reason="visitor")
        for upload in self.uploads:
            upload.name = ""
            if upload.status in VISIBLE:
                self._delete(upload, at, "erased", request_context)
            elif upload.status in (UploadStatus.LAPSED, UploadStatus.REJECTED):
                upload.deleted_at = upload.deleted_at or at
        self._say(at, session_events.ERASED, request_context)
        self.book.rows.notes.append(ErasureNote(session_uuid=session.uuid, recorded_at=at))
        if self.book.demo_context.with_files:
            self.book.rows.objects[erased_key(session.uuid)] = b""

    def _go_on(self) -> None:
        """Let a live session be used just now, extended by staff, or taken to another device."""
        session, book = self.session, self.book
        if book.chance(0.01):
            began = self.now - 10 * MINUTE * self.random.random()
            if began > session.created_at and len(self.uploads) < settings.UPLOAD_MAX_FILES:
                self._new_upload(began, book.request(self.visitor))
                session.last_seen_at = began
                session.expires_at = session.expiry(began)
        elif book.chance(0.02):
            at, reason = book.between(session.last_seen_at, self.now), "The visitor is away"
            until = min(at + 7 * DAY, session.last_moment + PERIOD)
            session.extended_until = session.expires_at = max(until, session.expires_at)
            self._say(
                at,
                session_events.EXTENDED,
                book.staff_request(),
                reason=reason,
                until=session.extended_until.isoformat(),
            )
        elif book.chance(0.02):
            self._recover()
        elif book.chance(0.01):
            for upload in self.uploads[:1]:
                if upload.status == UploadStatus.STORED:  # storage has not obeyed yet
                    upload.status, upload.delete_reason = UploadStatus.DELETING, "visitor"

    def _recover(self) -> None:
        session, book = self.session, self.book
        at = book.between(session.last_seen_at, self.now - 15 * MINUTE)
        reason = "The visitor changed the device"
        self._say(at, session_events.RECOVERY_ISSUED, book.staff_request(), reason=reason)
        other, taken = people.visitor(self.random, 0), at + 10 * MINUTE * self.random.random()
        request_context = book.request(other)
        if taken < self.now:
            session.last_seen_at = session.token_used_at = max(taken, session.last_seen_at)
            session.expires_at = session.expiry(session.last_seen_at)
            self._say(taken, session_events.RECOVERED, request_context)
            self._say(taken, session_events.TOKEN_ROTATED, request_context, reason="recovered")

    def _forget_when_over(self) -> None:
        """Let the cleanup and the sweep do what they do when a session's retention is over."""
        session = self.session
        if session.ended_at is None or session.status == SessionStatus.ERASED:
            return
        retention = (
            settings.COMPLETED_RETENTION if session.completed_at else settings.UPLOAD_RETENTION
        )
        over = session.ended_at + retention + 15 * MINUTE * self.random.random()
        if over > self.now:
            return
        for upload in self.uploads:
            if upload.status in VISIBLE:
                self._delete(upload, over, "retention", SYSTEM)
        if session.name or session.email or self.consents:
            session.name = session.email = ""
            session.email_proven = False
            self.consents.clear()
            self._say(over, session_events.CONTACT_ERASED, SYSTEM)

    def _meet_staff(self) -> None:
        """Let somebody of the staff look, ask for personal values, and put a file aside."""
        session, book = self.session, self.book
        if not book.chance(0.03):
            return
        request_context = book.staff_request()
        at = book.between(session.created_at, self.now)
        self._say(at, staff_events.STAFF_SESSION_VIEWED, request_context, page="usersession")
        if book.chance(0.4):
            page, reason = f"usersession:{session.uuid}", "The visitor asked me to look"
            self._say(at, staff_events.STAFF_REVEALED, request_context, page=page, reason=reason)
        stored = [upload for upload in self.uploads if upload.status == UploadStatus.STORED]
        if stored and stored[0].created_at < at and book.chance(0.3):
            reason = "The visitor cannot open it"
            if book.chance(0.5):
                reason = "It looks harmful"
                stored[0].status = UploadStatus.QUARANTINED
                self._say_of(
                    stored[0], at, upload_events.QUARANTINED, request_context, reason=reason
                )
            else:
                size = stored[0].size
                self._say_of(
                    stored[0],
                    at,
                    upload_events.STAFF_DOWNLOADED,
                    request_context,
                    reason=reason,
                    size=size,
                )

    @property
    def _visible(self) -> int:
        return sum(upload.status in VISIBLE for upload in self.uploads)

    def _write_down(self) -> None:
        rows = self.book.rows
        rows.consents += self.consents
        rows.uploads += self.uploads
        if self.uploads:
            counted = [upload for upload in self.uploads if upload.status in IN_QUOTA]
            total = sum(upload.size for upload in counted)
            rows.quotas.append(UploadQuota(session=self.session, files=len(counted), bytes=total))
        for upload in self.uploads:
            if upload.status in _IN_STORE and upload.key in self.bodies:
                rows.objects[upload.key] = self.bodies[upload.key]
        for event in self.events:
            self.book.note(event, forgotten=self._is_forgotten(event))

    def _is_forgotten(self, event: DemoEvent) -> bool:
        """Say whether an event's personal part is gone; see `erase_personal` and `erase_emails`."""
        personal = event.entry.personal or Personal()
        if self.session.status == SessionStatus.ERASED:
            of_staff = event.request_context.actor.startswith(context.STAFF)
            return not of_staff or bool(personal.file_name or personal.email)
        return bool(personal.email) and not self.session.email


def began_at(now: datetime, place: float) -> datetime:
    """Return when a session began that is so far (0 to 1) in the period: more by day, and ever more."""
    days, of_day = divmod(PERIOD.days * place**0.6, 1)
    start = now - PERIOD
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    offset: float = (start - midnight) / DAY
    moved = days + of_day + offset
    day, hour = divmod(moved, 1)
    by_day: float = hour + 0.6 * math.sin(2 * math.pi * hour) / (2 * math.pi)
    moment: datetime = midnight + DAY * (day + by_day)
    return min(max(moment, start), now - MINUTE)


def code_of(number: int) -> str:
    """Return the support code of a number: another for each number, in no order that shows."""
    for attempt in range(number * 16, number * 16 + 16):
        mixed = attempt * 0x9E3779B97F % 2**40
        mixed = (mixed ^ mixed >> 21) * 0xD6E8FEB867 % 2**40
        symbols = "".join(CROCKFORD[mixed >> shift & 31] for shift in range(0, 40, 5))
        if code := support_code(symbols):
            return code
    raise ValueError(f"no support code begins with what {number} gives")


def body_of(upload: UploadedFile) -> bytes:
    """Return the bytes of an invented file: a small PDF in which the look inside finds what it says."""
    return _template(upload.inspection) + f"% {upload.pk}\n".encode()


@cache
def _template(verdict: str) -> bytes:
    if verdict == Inspection.UNREADABLE:
        return b"%PDF-1.4\nThis is no sound PDF.\n"
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if verdict == Inspection.SUSPECT:
        writer.add_attachment("attached.txt", b"invented")
    writer.write(out)
    return out.getvalue()


def _bytes_of(upload: UploadedFile) -> dict[str, Value]:
    return {"size": upload.size, "sha256": upload.sha256}
