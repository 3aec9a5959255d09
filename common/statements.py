"""Statements that are compiled once per process, for the requests that come most often.

Django compiles a query set each time it is read, which takes ten times as many
calls as to run it. Django still writes the SQL and converts each value, so a new
field or converter needs no change here. See decision 67.
"""

import json
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from functools import cached_property, partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models.base import ModelState
from django.db.models.query import get_related_populators
from django.db.models.signals import post_init, pre_init
from django.db.models.sql import InsertQuery, UpdateQuery

# The methods of a field that prepare a value for the database.
_PREPARING = ("get_db_prep_save", "get_db_prep_value", "get_prep_value", "to_python")
# The methods `pre_save` that only read the value, unless the field sets the time.
_PLAIN_READS = (models.Field.pre_save, models.DateTimeField.pre_save)

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
        plan, connection = self._plan, connections[DEFAULT_DB_ALIAS]
        if plan.locks and not connection.in_atomic_block:
            raise transaction.TransactionManagementError("rows are locked inside a transaction")
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, plan.prepared(values))
            rows = cursor.fetchall()
        return [plan.instance(row) for row in plan.compiler.apply_converters(rows, plan.converters)]

    def first(self, **values: Any) -> Row | None:
        return next(iter(self.read(**values)), None)

    @cached_property
    def _plan(self) -> "_SelectPlan":
        return _SelectPlan(self._build().query.get_compiler(connection=_unconnected()))


class Writing:
    """A block with a cursor for writes. A block inside another has the same cursor: one costs 20 calls."""

    _opened = threading.local()

    def __enter__(self) -> Any:
        self._outer = getattr(self._opened, "cursor", None)
        if self._outer is None:
            self._opened.cursor = connections[DEFAULT_DB_ALIAS].cursor()
        return self._opened.cursor

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        cursor = self._opened.cursor
        if error and cursor.db.in_atomic_block:
            # What Django's ORM does: the next statement says why it is refused.
            cursor.db.needs_rollback, cursor.db.rollback_exc = True, error
        if self._outer is None:
            self._opened.cursor = None
            cursor.__exit__(kind, error, trace)  # closes it, also if its connection is lost


def writing() -> Writing:
    """Return the cursor for writes. If one fails, its transaction can only be rolled back."""
    return Writing()


class CompiledInsert(Generic[Row]):
    """Makes and inserts rows of a model. Like `bulk_create`, it sends no signals when it inserts."""

    def __init__(self, model: type[Row]) -> None:
        self._model = model

    def new(self, **values: Any) -> Row:
        """Return an unsaved row, as the model does, from the values of columns (`session_id`)."""
        constants, makers = self._defaults
        if unknown := values.keys() - constants.keys():
            raise TypeError(f"{self._model.__name__} has no column {', '.join(sorted(unknown))}")
        made = {name: make() for name, make in makers.items() if name not in values}
        return _instance(self._model, {**constants, **made, **values})

    @cached_property
    def _defaults(self) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
        """The values of new rows by column, and what makes those that are not always the same."""
        _require_plain(self._model)
        fields = self._model._meta.concrete_fields
        makers = {
            field.attname: field.default
            for field in fields
            if field.has_default() and callable(field.default)
        }
        constants = {
            field.attname: None if field.attname in makers else field.get_default()
            for field in fields
        }
        # Of a choice only the text, as it is when the row is read.
        texts = {name: value.value for name, value in constants.items() if isinstance(value, Enum)}
        return {**constants, **texts}, makers

    def insert(self, rows: Sequence[Row], cursor: Any) -> None:
        """Insert rows, and set the keys that the database gives them."""
        if len(rows) == 1:
            self._plan.insert(rows[0], cursor)
        elif rows:
            self._plan.insert_all(rows, cursor)

    @cached_property
    def _plan(self) -> "_InsertPlan":
        return _InsertPlan(self._model)


class CompiledUpdate(Generic[Row]):
    """An update of a query set's rows, built once: each of its values is an `Argument`."""

    def __init__(self, build: Callable[[], "models.QuerySet[Row]"], **changes: Any) -> None:
        self._build = build
        self._changes = changes

    def update(self, **values: Any) -> int:
        """Update the rows as the query set would; return their number."""
        with writing() as cursor:
            cursor.execute(self._plan.sql, self._plan.prepared(values))
            return int(cursor.rowcount)

    @cached_property
    def _plan(self) -> "_Plan":
        query: Any = self._build().query.chain(UpdateQuery)
        query.add_update_values(self._changes)
        return _Plan(query.get_compiler(connection=_unconnected()))


class _Plan:
    """A compiled statement, and how its arguments become parameters."""

    def __init__(self, compiler: Any) -> None:
        self.compiler = compiler
        self.sql, self._parameters = compiler.as_sql()

    def prepared(self, values: dict[str, Any]) -> list[Any]:
        connection = self.compiler.connection
        return [
            parameter.output_field.get_db_prep_value(values[parameter.name], connection)
            if isinstance(parameter, Argument)
            else parameter
            for parameter in self._parameters
        ]


class _SelectPlan(_Plan):
    """A compiled query set, and how a row of its answer becomes an instance."""

    def __init__(self, compiler: Any) -> None:
        super().__init__(compiler)
        self.locks = compiler.query.select_for_update
        self.converters = compiler.get_converters([column for column, _, _ in compiler.select])
        described = compiler.klass_info
        first, last = described["select_fields"][0], described["select_fields"][-1]
        self._model, self._columns = described["model"], slice(first, last + 1)
        _require_plain(self._model)
        self._names = [column.target.attname for column, _, _ in compiler.select[self._columns]]
        populators: Any = get_related_populators  # its stub is that of a newer Django
        self._related = populators(described, compiler.select, DEFAULT_DB_ALIAS)
        self._annotations = list(compiler.annotation_col_map.items())

    def instance(self, row: list[Any]) -> Any:
        made = _instance(self._model, dict(zip(self._names, row[self._columns], strict=True)))
        made._state.adding, made._state.db = False, DEFAULT_DB_ALIAS
        for related in self._related:
            related.populate(row, made)
        for name, position in self._annotations:
            setattr(made, name, row[position])
        return made


class _InsertPlan:
    """The insert of a model's row, compiled for values that are parameters."""

    def __init__(self, model: type[models.Model]) -> None:
        options = model._meta
        self._returned = options.db_returning_fields
        fields = [
            field
            for field in options.concrete_fields
            if not field.generated and field is not options.auto_field
        ]
        query = InsertQuery(model)
        empty: Any = SimpleNamespace(**{field.attname: None for field in fields})
        query.insert_values(fields, [empty], raw=True)
        compiler = query.get_compiler(connection=_unconnected())
        compiler.returning_fields = self._returned
        ((self._sql, _),) = compiler.as_sql()
        connection = compiler.connection
        self._sql_of_all = _selecting(self._sql, fields, connection)
        self._columns = [
            (_reader(field), _unchanged(field, connection), _preparer(field, connection))
            for field in fields
        ]

    def insert(self, row: models.Model, cursor: Any) -> None:
        cursor.execute(self._sql, self._values(row))
        self._finish([row], cursor)

    def insert_all(self, rows: Sequence[models.Model], cursor: Any) -> None:
        """Insert rows by one parameter: to write a list as JSON is faster than to adapt each value."""
        values = json.dumps([self._values(row) for row in rows], default=_in_json)
        cursor.execute(self._sql_of_all, [values])
        self._finish(rows, cursor)

    def _values(self, row: models.Model) -> list[Any]:
        return [
            value if type(value := read(row)) in unchanged else prepare(value)
            for read, unchanged, prepare in self._columns
        ]

    def _finish(self, rows: Sequence[models.Model], cursor: Any) -> None:
        if self._returned:
            for row, values in zip(rows, cursor.fetchall(), strict=True):
                for field, value in zip(self._returned, values, strict=True):
                    setattr(row, field.attname, value)
        for row in rows:
            row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def _instance(model: type[Row], attributes: dict[str, Any]) -> Row:
    """Return what `model(...)` makes of the values of columns, which takes a call for each."""
    made = model.__new__(model)
    made.__dict__ = attributes
    made._state = ModelState()
    return made


def _require_plain(model: type[models.Model]) -> None:
    """Raise TypeError unless instances of a model are made as Django makes them."""
    changed = [
        name
        for name in ("__new__", "__init__", "from_db")
        if any(name in vars(one) for one in model.__mro__ if one not in (models.Model, object))
    ]
    signals = (pre_init, post_init)
    if changed or any(signal.has_listeners(model) for signal in signals):
        raise TypeError(f"{model.__name__} is made in a way of its own: {', '.join(changed)}")


def _selecting(insert: str, fields: "Sequence[models.Field[Any, Any]]", connection: Any) -> str:
    """Return the insert of one row as one of many, whose values are lists in one JSON parameter."""
    places = ", ".join(["%s"] * len(fields))
    if connection.vendor == "postgresql":
        # Without its length: a cast would cut a text that is too long.
        types = [(field.db_type(connection) or "").partition("(")[0] for field in fields]
        columns = [f"(value ->> {number})::{name}" for number, name in enumerate(types)]
        source = "jsonb_array_elements(%s::jsonb)"
    else:
        columns = [f"json_extract(value, '$[{number}]')" for number in range(len(fields))]
        source = "json_each(%s)"
    # Only names of columns and types.
    return insert.replace(f"VALUES ({places})", f"SELECT {', '.join(columns)} FROM {source}")  # noqa: S608


def _in_json(value: Any) -> str:
    if isinstance(value, uuid.UUID | datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not inserted with other rows")


def _reader(field: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    """Return what reads a field's value from a row before it is saved."""
    sets_the_time = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    if type(field).pre_save in _PLAIN_READS and not sets_the_time:
        return attrgetter(field.attname)
    return lambda row: field.pre_save(row, True)


def _unchanged(field: "models.Field[Any, Any]", connection: Any) -> set[type]:
    """Return the types whose values the field gives to the database as they are."""
    kept: list[type] = []
    if _prepares_as(field, models.CharField) or _prepares_as(field, models.TextField):
        kept.append(str)
    if _prepares_as(field, models.UUIDField) and connection.features.has_native_uuid_field:
        kept.append(uuid.UUID)
    if _prepares_as(field, models.BigAutoField):
        kept.append(int)
    if _prepares_as(field, models.BooleanField):
        kept.append(bool)
    if field.get_db_prep_save(None, connection) is None:
        kept.append(type(None))
    return set(kept)


def _preparer(field: "models.Field[Any, Any]", connection: Any) -> Callable[[Any], Any]:
    """Return what prepares a field's value; a time with its zone, or a UUID, needs no further check."""
    prepare: Callable[[Any], Any] = partial(field.get_db_prep_save, connection=connection)
    if _prepares_as(field, models.DateTimeField):
        adapt = connection.ops.adapt_datetimefield_value
        return lambda value: (
            adapt(value) if type(value) is datetime and value.tzinfo else prepare(value)
        )
    if _prepares_as(field, models.UUIDField):
        return lambda value: value.hex if type(value) is uuid.UUID else prepare(value)
    return prepare


def _prepares_as(field: "models.Field[Any, Any]", kind: type[Any]) -> bool:
    """Return whether a field, or the one that a key refers to, prepares values as those of a kind do."""
    is_key = getattr(type(field), "get_db_prep_save", None) is models.ForeignKey.get_db_prep_save
    target: Any = field
    own = type(target.target_field if is_key else target)
    return all(getattr(own, name) is getattr(kind, name) for name in _PREPARING)


def _unconnected() -> Any:
    # A thread's connection would be kept open as long as what is compiled with it.
    connection: Any = connections.create_connection(DEFAULT_DB_ALIAS)
    # A query set that locks rows is only compiled inside a transaction: it would connect.
    connection.get_autocommit = lambda: False
    return connection
