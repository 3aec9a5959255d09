"""One session of the invented history: its row, files, consents and events so far."""

from abc import ABC, abstractmethod
from datetime import datetime

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, Personal
from common import context
from common.context import RequestContext
from demo_app.history.collector import HOUR, DemoEvent, EventCollector
from demo_app.people import DemoVisitor
from sessions_app.models import Consent, SessionStatus, UserSession
from uploads_app.models import IN_QUOTA, VISIBLE, UploadedFile, UploadQuota, UploadStatus

IN_STORE = (UploadStatus.STORED, UploadStatus.QUARANTINED, UploadStatus.DELETING)


class SessionBook(EventCollector, ABC):
    """Collects the sessions of a chunk."""

    @property
    @abstractmethod
    def remaining(self) -> int:
        """How many sessions are still to be generated."""

    @abstractmethod
    def generate_session(
        self, visitor: DemoVisitor, began: datetime, predecessor: UserSession | None = None
    ) -> UserSession:
        """Generate a session with its files, consents and events."""


class SessionStory:
    """The state that the other modules of this package change, step by step."""

    def __init__(self, book: SessionBook, visitor: DemoVisitor, session: UserSession) -> None:
        self.book, self.random, self.visitor = book, book.random, visitor
        self.session, self.now = session, book.demo_context.now
        self.events: list[DemoEvent] = []
        self.uploads: list[UploadedFile] = []
        self.consents: list[Consent] = []
        self.bodies: dict[str, bytes] = {}
        # A visitor's immediate actions happen in the first hour.
        self.busy_until = session.created_at + min(HOUR, self.now - session.created_at)

    @property
    def visible_files(self) -> int:
        return sum(upload.status in VISIBLE for upload in self.uploads)

    def add(
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

    def add_of(
        self,
        upload: UploadedFile,
        at: datetime,
        event: EventType,
        request_context: RequestContext,
        **details: Value,
    ) -> None:
        """Add an event about an upload."""
        target, personal = f"upload:{upload.pk}", Personal(file_name=upload.name)
        self.add(at, event, request_context, target=target, personal=personal, **details)

    def close(self, status: SessionStatus, at: datetime, reason: str) -> None:
        self.session.status, self.session.ended_at, self.session.end_reason = status, at, reason

    def write_rows(self) -> None:
        """Add everything to the book's rows."""
        rows = self.book.rows
        rows.consents += self.consents
        rows.uploads += self.uploads
        if self.uploads:
            counted = [upload for upload in self.uploads if upload.status in IN_QUOTA]
            total = sum(upload.size for upload in counted)
            rows.quotas.append(UploadQuota(session=self.session, files=len(counted), bytes=total))
        for upload in self.uploads:
            if upload.status in IN_STORE and upload.key in self.bodies:
                rows.objects[upload.key] = self.bodies[upload.key]
        for event in self.events:
            self.book.add(event, personal_erased=self._personal_is_erased(event))

    def _personal_is_erased(self, event: DemoEvent) -> bool:
        """Apply the rules of `erase_personal` and `erase_emails`."""
        personal = event.entry.personal or Personal()
        if self.session.status == SessionStatus.ERASED:
            of_staff = event.request_context.actor.startswith(context.STAFF)
            return not of_staff or bool(personal.file_name or personal.email)
        return bool(personal.email) and not self.session.email
