"""What a move has done so far: a table in the new database, until the move is done."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from django.db import connection

from maria_project.database_move import TABLE
from maria_project.database_move.target import Definition, execute


class StepKind(StrEnum):
    """The steps of a move, in this order. The one of kind `source` is a note."""

    SOURCE = "source"
    COPY = "copy"
    CREATE = "create"
    COMPARE = "compare"


@dataclass
class Step:
    """A table to copy, an index to create, or a table to compare.

    `after` is the number of the last row that was copied. `digest` is that of the copied rows,
    and `replaced` counts for each column the characters that could not be copied.
    """

    id: int
    kind: StepKind
    name: str
    statement: str
    after: int
    rows: int
    digest: int
    replaced: dict[str, int]
    is_done: bool

    def save(self) -> None:
        execute(
            f"UPDATE {TABLE} SET after = %s, rows = %s, digest = %s, replaced = %s, is_done = %s"  # noqa: S608
            " WHERE id = %s",
            self.after, self.rows, self.digest, json.dumps(self.replaced), self.is_done, self.id,
        )  # fmt: skip


def exists() -> bool:
    return TABLE in connection.introspection.table_names()


def create(source: str, tables: Sequence[str], definitions: Iterable[Definition]) -> None:
    execute(
        f"CREATE TABLE {TABLE} (id serial PRIMARY KEY, kind text NOT NULL, name text NOT NULL,"
        " statement text NOT NULL DEFAULT '', after bigint NOT NULL DEFAULT 0,"
        " rows bigint NOT NULL DEFAULT 0, digest numeric(39) NOT NULL DEFAULT 0,"
        " replaced text NOT NULL DEFAULT '{}',"
        " is_done boolean NOT NULL DEFAULT false)"
    )
    _add(StepKind.SOURCE, [(source, "")])
    _add(StepKind.COPY, [(name, "") for name in tables])
    _add(StepKind.CREATE, [(one.name, one.create) for one in definitions])
    _add(StepKind.COMPARE, [(name, "") for name in tables])


def drop() -> None:
    execute(f"DROP TABLE {TABLE}")


def source() -> str:
    """Return the path of the database from which this move began."""
    return steps(StepKind.SOURCE)[0].name


def steps(kind: StepKind) -> list[Step]:
    names = [field.name for field in fields(Step)]
    rows = execute(f"SELECT {', '.join(names)} FROM {TABLE} WHERE kind = %s ORDER BY id", kind)  # noqa: S608
    return [_step(dict(zip(names, row, strict=True))) for row in rows]


def _step(values: dict[str, Any]) -> Step:
    kind, digest = StepKind(values["kind"]), int(values["digest"])
    replaced = json.loads(values["replaced"])
    return Step(**{**values, "kind": kind, "digest": digest, "replaced": replaced})


def _add(kind: StepKind, steps: Iterable[tuple[str, str]]) -> None:
    for name, statement in steps:
        execute(
            f"INSERT INTO {TABLE} (kind, name, statement) VALUES (%s, %s, %s)",  # noqa: S608
            kind, name, statement,
        )  # fmt: skip
