"""Writes the invented history: objects first, then the rows of each chunk in one transaction.

On PostgreSQL, several processes write with COPY, and copies.py multiplies the
rows of a large history. On SQLite, one process uses bulk inserts.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from random import Random
from typing import Any
from uuid import UUID

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, models, transaction
from django.utils import timezone

from audit_app.models import AuditLog
from audit_app.services import record
from backoffice_app import events
from common import groups
from common.context import as_operator
from demo_app import copies
from demo_app.history.collector import DemoContext, DemoRows
from demo_app.history.sessions import SessionHistories
from demo_app.operations import OperationsHistory
from sessions_app.models import UserSession
from uploads_app import marker
from uploads_app.models import CleanupRun, QuarantinedObject
from uploads_app.storage.base import object_store

CHUNK = 2_000
TEMPLATE = 10_000
BATCH = 500
_WRITERS = 32
_STAFF = {
    "demo-support": groups.SUPPORT,
    "demo-support-2": groups.SUPPORT,
    "demo-auditor": groups.AUDITOR,
    "demo-operator": groups.OPERATOR,
}


class SeedRefused(Exception):
    """This database must not get an invented history. The message says why."""


@dataclass(frozen=True)
class SeedPlan:
    """How many sessions to generate, and how many exist from earlier runs (`before`)."""

    demo_context: DemoContext
    sessions: int
    seed: str
    before: int

    @property
    def copies(self) -> int:
        """How often the first TEMPLATE sessions are copied: generating each would take an hour."""
        may_copy = connection.vendor == "postgresql" and not self.demo_context.with_files
        return max(self.sessions // TEMPLATE - 1, 0) if may_copy else 0

    @property
    def session_count(self) -> int:
        """How many sessions are generated, not copied."""
        return self.sessions - self.copies * TEMPLATE

    @property
    def chunks(self) -> list[range]:
        """The numbers of the generated sessions, one range for each transaction."""
        return [
            range(start, min(start + CHUNK, self.session_count))
            for start in range(0, self.session_count, CHUNK)
        ]

    def random(self, part: object) -> Random:
        """Return the random source of one part; the same plan gives the same values."""
        return Random(f"{self.seed}\n{self.before}\n{part}")  # noqa: S311  (nothing here is secret)


def refuse_real_data() -> None:
    """Raise SeedRefused in production, and if there are real sessions."""
    if settings.PRODUCTION:
        raise SeedRefused(
            f"PUBLIC_URL is {settings.PUBLIC_URL}. A production database must not get invented data."
        )
    if UserSession.objects.exists() and not _seeded().exists():
        raise SeedRefused(
            "This database contains sessions that seed_demo did not create. They may belong to "
            "real people. Use an empty database (another DATA_DIR or DATABASE_URL)."
        )


def begin(*, sessions: int, seed: str, with_files: bool) -> SeedPlan:
    """Record that a history is being seeded and create its staff users.

    The staff users have no usable password; `./run --demo` sets one. Raises SeedRefused.
    """
    refuse_real_data()
    before = sum(log.details["sessions"] for log in _seeded())
    with transaction.atomic(), as_operator():
        record(events.DEMO_SEEDED, sessions=sessions, seed=seed, with_files=with_files)
        staff = {name: _member(name, group) for name, group in _STAFF.items()}
        support = [staff[name] for name, group in _STAFF.items() if group == groups.SUPPORT]
    if with_files:
        marker.claim_store()
    return SeedPlan(
        DemoContext(timezone.now(), [*staff.values()], support, with_files), sessions, seed, before
    )


def write(plan: SeedPlan, jobs: int) -> Iterator[int]:
    """Write everything; yield the number of sessions after each transaction."""
    templates: list[UUID] = []
    for sessions in _generate(plan, jobs):
        templates += sessions[: TEMPLATE - len(templates)]
        yield len(sessions)
    if plan.copies:
        first_code = plan.before + plan.session_count
        yield from copies.copy(templates, plan.copies, first_code=first_code, jobs=jobs)
    _write_operations(plan)


def analyse() -> None:
    """Update the statistics of the query planner."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _seeded() -> models.QuerySet[AuditLog]:
    return AuditLog.objects.filter(event_type=events.DEMO_SEEDED.name)


def _member(name: str, group: str) -> int:
    user, is_new = get_user_model().objects.get_or_create(
        username=name, defaults={"is_staff": True, "password": "!"}
    )
    if is_new:
        user.groups.add(Group.objects.get(name=group))
    return int(user.pk)


def _generate(plan: SeedPlan, jobs: int) -> Iterator[list[UUID]]:
    """Generate and write each chunk; yield the UUIDs of its sessions."""
    if jobs == 1:
        yield from (_write_chunk(plan, chunk) for chunk in plan.chunks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), django.setup) as pool:
        yield from pool.map(_write_chunk, [plan] * len(plan.chunks), plan.chunks)


def _write_chunk(plan: SeedPlan, numbers: range) -> list[UUID]:
    sessions = SessionHistories(
        plan.random(numbers.start), plan.demo_context, numbers, plan.sessions
    )
    rows = sessions.generate(first_code=plan.before)
    _put(rows.objects)
    with transaction.atomic():
        _save(rows)
    return [session.uuid for session in rows.sessions]


def _write_operations(plan: SeedPlan) -> None:
    """Write events without a session, once for each database: cleanup runs must not overlap."""
    if CleanupRun.objects.exists():
        return
    operations = OperationsHistory(plan.random("operations"), plan.demo_context, plan.sessions)
    operations.generate()
    _put(operations.rows.objects)
    with transaction.atomic():
        CleanupRun.objects.bulk_create(operations.runs, BATCH)
        QuarantinedObject.objects.bulk_create(operations.orphans, BATCH)
        operations.add_run_events()
        _save(operations.finished())


def _put(objects: dict[str, bytes]) -> None:
    """Store objects before their rows, as uploads do."""

    def put(key: str) -> None:
        with suppress(FileExistsError):
            object_store().put(key, [objects[key]] if objects[key] else [])

    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(put, objects))


def _save(rows: DemoRows) -> None:
    for table in (rows.sessions, rows.consents, rows.uploads, rows.quotas, rows.notes):
        _insert(table)
    logs = [log for log, _ in rows.events]
    if connection.vendor == "postgresql":
        for log, number in zip(logs, _numbers(len(logs)), strict=True):
            log.id = number
    _insert(logs)
    parts = [part for _, part in rows.events if part]
    for log, part in rows.events:
        if part:
            part.log_id = log.pk
    _insert(parts)


def _insert(rows: Sequence[models.Model]) -> None:
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(rows)
    else:
        type(rows[0])._default_manager.bulk_create(rows, BATCH)


def _numbers(count: int) -> list[int]:
    """Reserve ids of the audit log."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [AuditLog._meta.db_table, count],
        )
        return [number for (number,) in cursor.fetchall()]


def _copy(rows: Sequence[models.Model]) -> None:
    """Insert rows with COPY; the database chooses missing primary keys."""
    fields = _columns(type(rows[0]), with_key=rows[0].pk is not None)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    table = rows[0]._meta.db_table
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row([_value(field, row) for field in fields])


@cache
def _columns(model: type[models.Model], *, with_key: bool) -> list[models.Field[Any, Any]]:
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    return [field for field in fields if with_key or not field.primary_key]


def _value(field: models.Field[Any, Any], row: models.Model) -> Any:
    value = getattr(row, field.attname)
    return json.dumps(value) if isinstance(field, models.JSONField) else value
