"""The invented history outside sessions: cleanup runs, trash, staff work, refused requests."""

from datetime import datetime
from random import Random

from django.conf import settings

from audit_app import events as staff_events
from audit_app.events import EventType
from audit_app.services import Entry
from common import context
from common.context import RequestContext
from demo_app import people
from demo_app.history.collector import (
    DAY,
    HOUR,
    MINUTE,
    PERIOD,
    SYSTEM,
    DemoContext,
    DemoEvent,
    EventCollector,
)
from sessions_app import events as session_events
from uploads_app import events as upload_events
from uploads_app.cleanup.alerts import INTERVAL
from uploads_app.models import CleanupRun, QuarantinedObject, RunStatus, TrashStatus
from uploads_app.storage.keys import object_key, quarantine_key

# Cleanup runs of the last week only: there are many, and all look alike.
RUNS_PERIOD = 7 * DAY
_STOPPED = (
    ("storage_unavailable", "The store does not answer."),
    ("clocks_differ", "The clocks of store and database differ by 0:07:12: no age can be trusted."),
)
_ORPHAN_BODY = b"%PDF-1.4\nAn object without a row.\n"


class OperationsHistory(EventCollector):
    """Generates a month of operations; more sessions mean more refused requests."""

    def __init__(self, random: Random, demo_context: DemoContext, sessions: int) -> None:
        super().__init__(random, demo_context)
        self._sessions = sessions
        self.runs: list[CleanupRun] = []
        self.orphans: list[QuarantinedObject] = []
        # Events of finished runs: their details need the primary key of the saved run.
        self._ended: list[tuple[CleanupRun, EventType]] = []

    def generate(self) -> None:
        """Generate everything except the events of runs; see `add_run_events`."""
        self._add_runs()
        self._add_trash()
        self._add_staff_work()
        self._add_refusals()

    def add_run_events(self) -> None:
        """Add the events of the saved runs."""
        for run, event in self._ended:
            assert run.finished_at
            details = (
                {"code": run.stop_code}
                if run.stop_code
                else {
                    "removed": run.removed,
                    "quarantined": run.quarantined,
                    "missing": 0,
                    "errors": run.errors,
                }
            )
            entry = Entry(None, f"cleanup_run:{run.pk}", None, {"run": run.pk, **details})
            self.add(DemoEvent(run.finished_at, event, entry, RequestContext(actor=run.actor)))

    def _add(
        self, at: datetime, event: EventType, request_context: RequestContext, **entry: object
    ) -> None:
        target = str(entry.pop("target", ""))
        self.add(DemoEvent(at, event, Entry(None, target, None, entry), request_context))  # type: ignore[arg-type]

    def _add_runs(self) -> None:
        """Add one run for each interval; a few stopped, a few dry runs started by staff."""
        random, files = self.random, self._sessions * 2
        at = self.demo_context.now - RUNS_PERIOD
        while (at := at + INTERVAL) < self.demo_context.now - MINUTE:
            took = MINUTE * (0.05 + random.random() / 10)
            run = CleanupRun(
                started_at=at,
                finished_at=at + took,
                status=RunStatus.COMPLETED,
                actor=context.SYSTEM,
                grace=settings.CLEANUP_GRACE,
                limit=10_000,
                objects_seen=files // 3,
                rows_seen=files // 3,
                removed=int(random.expovariate(1) * files / 3000),
            )
            run.bytes_removed = run.removed * 200_000
            run.findings = {"files past retention": run.removed} if run.removed else {}
            if self.chance(0.005):
                run.status, run.removed, run.bytes_removed = RunStatus.STOPPED, 0, 0
                run.findings = {}
                run.stop_code, run.stop_sentence = random.choice(_STOPPED)
            if self.chance(0.006):
                run.dry_run, run.actor = (
                    True,
                    f"{context.STAFF}{random.choice(self.demo_context.staff)}",
                )
            else:
                self._ended.append(
                    (
                        run,
                        upload_events.CLEANUP_STOPPED
                        if run.stop_code
                        else upload_events.CLEANUP_COMPLETED,
                    )
                )
            self.runs.append(run)

    def _add_trash(self) -> None:
        """Add orphans: some are still in the trash, some are purged."""
        for days in (1, 3, 6, 15, 20):
            at = self.demo_context.now - DAY * days
            orphan = QuarantinedObject(
                key=object_key(self.uuid(), self.uuid(), "pdf"),
                size=len(_ORPHAN_BODY),
                modified_at=at - DAY,
                status=TrashStatus.QUARANTINED,
                reason="no_row",
                quarantined_at=at,
                changed_at=at,
            )
            self._add(
                at, upload_events.OBJECT_QUARANTINED, SYSTEM, target=orphan.key, size=orphan.size
            )
            over = at + settings.TRASH_RETENTION + MINUTE
            if over < self.demo_context.now:
                orphan.status, orphan.reason = TrashStatus.PURGED, "quarantine_over"
                orphan.changed_at = over
                details = {"reason": orphan.reason, "size": orphan.size}
                self._add(over, upload_events.OBJECT_PURGED, SYSTEM, target=orphan.key, **details)
            elif self.demo_context.with_files:
                self.rows.objects[quarantine_key(orphan.key)] = _ORPHAN_BODY
            self.orphans.append(orphan)

    def _add_staff_work(self) -> None:
        """Let staff sign in on weekdays, fail to sign in, search, and open a page without permission."""
        for day in range(PERIOD.days):
            morning = self.demo_context.now - PERIOD + DAY * day
            if morning.weekday() >= 5:
                continue
            for member in self.demo_context.staff:
                at = self.between(morning, morning + 2 * HOUR)
                request_context = self.staff_request(member)
                if self.chance(0.1):
                    failed = RequestContext(
                        request_context.request_id,
                        request_context.address,
                        request_context.user_agent,
                        context.VISITOR,
                    )
                    self._add(at, staff_events.STAFF_SIGN_IN_FAILED, failed, repeated=0)
                self._add(at + MINUTE, staff_events.STAFF_SIGNED_IN, request_context)
                for _ in range(self.random.randint(0, 4)):
                    kind = self.random.choice(("e-mail", "name", "address", "file name"))
                    self._add(
                        self.between(at + MINUTE, at + 8 * HOUR),
                        staff_events.STAFF_SEARCHED,
                        self.staff_request(),
                        kind=kind,
                        found=self.random.randint(0, 12),
                    )
                if self.chance(0.05):
                    self._add(
                        at + HOUR,
                        staff_events.STAFF_PERMISSION_DENIED,
                        self.staff_request(),
                        page="auth_user_changelist",
                        repeated=0,
                    )

    def _add_refusals(self) -> None:
        for number in range(20 + self._sessions // 100):
            at = self.between(self.demo_context.now - PERIOD, self.demo_context.now)
            request_context = self.request(people.visitor(self.random, number))
            if self.chance(0.3):
                self._add(
                    at,
                    staff_events.RATE_LIMIT_EXCEEDED,
                    request_context,
                    limit=self.random.choice(("create-60s", "validate-60s", "failed_proof-60s")),
                    repeated=self.random.randint(0, 300),
                )
            else:
                code = self.random.choice(("session_required", "session_invalid", "uuid_malformed"))
                self._add(
                    at, session_events.REFUSED, request_context, code=code, reason=None, repeated=0
                )
