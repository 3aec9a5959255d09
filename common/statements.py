"""Statements that are compiled once per process, for the requests that come most often.

Django compiles a query set each time it is read, which takes ten times as many
calls as to run it. Django still writes the SQL, converts each value and makes the
rows, so a new field or converter needs no change here. See decision 67.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)


class Argument(models.Expression):
    """The place of a value that is given when the statement runs."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]


class CompiledSelect(Generic[Row]):
    """A query set of whole rows, built once: each of its values is an `Argument`."""

    def __init__(self, build: Callable[[], "models.QuerySet[Row]"]) -> None:
        self._build = build

    def read(self, **values: Any) -> list[Row]:
        """Return the rows as the query set would, with annotations and `select_related`."""
        plan = self._plan
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(plan.sql, plan.prepared(values))
            rows = cursor.fetchall()
        return [plan.instance(row) for row in plan.compiler.apply_converters(rows, plan.converters)]

    @cached_property
    def _plan(self) -> "_SelectPlan":
        return _SelectPlan(self._build().query.get_compiler(connection=_unconnected()))


class _SelectPlan:
    """A compiled query set, and how a row of its answer becomes an instance."""

    def __init__(self, compiler: Any) -> None:
        self.compiler = compiler
        self.sql, self._parameters = compiler.as_sql()
        self.converters = compiler.get_converters([column for column, _, _ in compiler.select])
        described = compiler.klass_info
        first, last = described["select_fields"][0], described["select_fields"][-1]
        self._model, self._columns = described["model"], slice(first, last + 1)
        self._names = [column.target.attname for column, _, _ in compiler.select[self._columns]]
        populators: Any = get_related_populators  # its stub is that of a newer Django
        self._related = populators(described, compiler.select, DEFAULT_DB_ALIAS)
        self._annotations = list(compiler.annotation_col_map.items())

    def prepared(self, values: dict[str, Any]) -> list[Any]:
        connection = self.compiler.connection
        return [
            parameter.output_field.get_db_prep_value(values[parameter.name], connection)
            if isinstance(parameter, Argument)
            else parameter
            for parameter in self._parameters
        ]

    def instance(self, row: list[Any]) -> Any:
        made = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._columns])
        for related in self._related:
            related.populate(row, made)
        for name, position in self._annotations:
            setattr(made, name, row[position])
        return made


def _unconnected() -> Any:
    # A thread's connection would be kept open as long as what is compiled with it.
    return connections.create_connection(DEFAULT_DB_ALIAS)
