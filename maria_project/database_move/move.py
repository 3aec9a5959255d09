"""The move: tables, rows, indexes, comparison. A killed run is continued by the next one.

What is done is noted in the transaction that does it. So each batch is copied once.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from django.db import DatabaseError, IntegrityError, transaction

from audit_app.services import record
from backoffice_app.events import DATABASE_MOVED
from common.context import as_operator
from maria_project.database_move import progress, source, target
from maria_project.database_move.marks import Mark
from maria_project.database_move.progress import Step, StepKind
from maria_project.database_move.rendering import RowRenderer, UnknownType
from maria_project.database_move.source import MoveRefused, SourceDatabase

BATCH_ROWS = 20_000
_DIGESTS = 2**128


class RowsDiffer(Exception):
    """The databases have different rows. The message lists the tables."""


@dataclass
class Report:
    """What a finished move did."""

    rows: dict[str, int]
    # Column -> number of characters that PostgreSQL cannot store.
    replaced: dict[str, int] = field(default_factory=dict)
    # Table that this version does not know -> its rows.
    left: dict[str, int] = field(default_factory=dict)
    was_done: bool = False


@dataclass(frozen=True)
class DatabaseMove:
    """One run of the move. `on_step` is called after each committed step, with rows done and in all."""

    source: SourceDatabase
    batch_rows: int
    on_step: Callable[[str, int, int], None]

    def run(self) -> Report:
        """Move what is left to move. Raises MoveRefused, or RowsDiffer at the end."""
        _refuse(self.source.running())
        target.begin()
        _refuse(target.running())
        if not (is_continued := progress.exists()):
            if self.source.mark == Mark.MOVED:
                return Report({}, was_done=True)
            self._begin()
        elif progress.source() != str(self.source.path):
            raise MoveRefused(f"This database is being moved from {progress.source()}.")
        self.source.set_mark(Mark.MOVING)
        report = Report({}, left=self._unknown_tables())
        self._copy_tables(report)
        self._create_definitions()
        self._compare(report, is_continued)
        self._finish(report)
        return report

    def _begin(self) -> None:
        was_new = target.is_new()
        target.create_tables()
        names = target.tables()
        self._refuse_other_schema(names)
        with transaction.atomic():
            target.empty(names, was_new=was_new)
            definitions = target.definitions(names)
            progress.create(str(self.source.path), names, definitions)
            for definition in reversed(definitions):
                target.execute(definition.drop)

    def _refuse_other_schema(self, names: Iterable[str]) -> None:
        """Raise MoveRefused unless both databases have the tables of this version."""
        pending = target.migrations() - self.source.migrations()
        differing = [
            name
            for name in names
            if self.source.columns(name) != {column for column, _ in target.columns(name)}
        ]
        if pending or differing:
            missing = sorted(".".join(one) for one in pending)
            raise MoveRefused(
                "The old database was not migrated with this version "
                f"({', '.join(missing or differing)}). Run manage.py migrate with the DATABASE_URL "
                "of before, then move it into a new, empty database."
            )

    def _unknown_tables(self) -> dict[str, int]:
        unknown = {*self.source.tables()} - {step.name for step in progress.steps(StepKind.COPY)}
        return {name: rows for name in sorted(unknown) if (rows := self.source.count(name))}

    def _copy_tables(self, report: Report) -> None:
        for step in progress.steps(StepKind.COPY):
            total = self.source.count(step.name)
            columns = target.columns(step.name)
            renderer = _renderer(step.name, columns)
            renderer.replaced.update(step.replaced)
            while not step.is_done:
                self._copy_batch(step, [name for name, _ in columns], renderer)
                self.on_step(step.name, step.rows, total)
            report.rows[step.name] = step.rows
            report.replaced |= {f"{step.name}.{name}": n for name, n in step.replaced.items()}

    def _copy_batch(self, step: Step, names: list[str], renderer: RowRenderer) -> None:
        """Copy the next rows of a table, and note it, in one transaction."""
        before = step.rows

        def lines() -> Iterator[bytes]:
            for number, *values in self.source.rows(step.name, names, step.after, self.batch_rows):
                line = renderer.line(values)
                step.after, step.rows = number, step.rows + 1
                step.digest = (step.digest + _digest(line)) % _DIGESTS
                yield line

        with _named(step.name), transaction.atomic():
            target.copy_in(step.name, names, lines())
            step.is_done = step.rows - before < self.batch_rows
            step.replaced = dict(renderer.replaced)
            if step.is_done:
                target.set_sequence(step.name, self.source.last_number(step.name))
            step.save()

    def _create_definitions(self) -> None:
        steps = progress.steps(StepKind.CREATE)
        for number, step in enumerate(steps, start=1):
            if not step.is_done:
                with _named(step.name), transaction.atomic():
                    target.execute(step.statement)
                    step.is_done = True
                    step.save()
                self.on_step("indexes and foreign keys", number, len(steps))

    def _compare(self, report: Report, is_continued: bool) -> None:
        """Compare the number of rows and their digests. Raises RowsDiffer."""
        copied = {step.name: step for step in progress.steps(StepKind.COPY)}
        differing = []
        for step in progress.steps(StepKind.COMPARE):
            if not step.is_done:
                expected = self._expected(copied[step.name], is_continued)
                names = [name for name, _ in target.columns(step.name)]
                found = _summary(target.copy_out(step.name, names))
                target.execute(f'ANALYZE "{step.name}"')
                if found != expected:
                    differing.append(f"{step.name} ({expected[0]} rows, then {found[0]})")
                    continue
                step.is_done = True
                step.save()
                self.on_step(f"comparison of {step.name}", found[0], found[0])
        if differing:
            raise RowsDiffer(", ".join(differing))

    def _expected(self, copied: Step, is_continued: bool) -> tuple[int, int]:
        """Return number and digest of a table's rows in the old database.

        If several runs copied it, somebody may have changed it in between: it is read again.
        """
        if not is_continued:
            return self.source.count(copied.name), copied.digest
        columns = target.columns(copied.name)
        renderer = _renderer(copied.name, columns)
        names = [name for name, _ in columns]
        rows = self.source.rows(copied.name, names, after=-(2**63), limit=-1)
        return _summary(renderer.line(values) for _, *values in rows)

    def _finish(self, report: Report) -> None:
        """Mark the old database, then let the new one be used: one of both is always refused."""
        self.source.set_mark(Mark.MOVED)
        with transaction.atomic(), as_operator():
            record(DATABASE_MOVED, tables=len(report.rows), rows=sum(report.rows.values()))
            progress.drop()


def move(path: Path, batch_rows: int, on_step: Callable[[str, int, int], None]) -> Report:
    """Move a SQLite database into the default database; see DatabaseMove.run."""
    with source.opened(path.absolute()) as opened:
        return DatabaseMove(opened, batch_rows, on_step).run()


def cancel(path: Path) -> bool:
    """Let the product use a marked database again; return whether it was marked."""
    with source.opened(path.absolute()) as opened:
        was_marked = opened.mark != Mark.NONE
        opened.set_mark(Mark.NONE)
        return was_marked


def _refuse(running: list[str]) -> None:
    if running:
        raise MoveRefused(
            f"The product is running: {', '.join(running)}. Stop it first. "
            "A process that was killed is forgotten after 75 seconds."
        )


def _renderer(table: str, columns: list[tuple[str, str]]) -> RowRenderer:
    try:
        return RowRenderer(columns)
    except UnknownType as unknown:
        raise MoveRefused(f"Table {table}, {unknown}: this type cannot be moved.") from unknown


def _digest(line: bytes) -> int:
    return int.from_bytes(blake2b(line, digest_size=16).digest())


def _summary(lines: Iterable[bytes]) -> tuple[int, int]:
    """Return the number of lines, and a digest that does not depend on their order."""
    number = total = 0
    for line in lines:
        number += 1
        total += _digest(line)
    return number, total % _DIGESTS


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn an error of the database into one that names the table or index."""
    try:
        yield
    except DatabaseError as error:
        detail = " ".join(islice(str(error).splitlines(), 1))
        what = (
            "breaks a rule of the new database" if isinstance(error, IntegrityError) else "failed"
        )
        raise MoveRefused(f"{name} {what}: {detail}") from error
