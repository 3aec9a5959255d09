"""Migrations that run while the product serves visitors (docs/upgrading.md).

On SQLite, where nothing else may run meanwhile, the operations do what Django's do.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections
from django.db.migrations.operations import AddIndex, RemoveIndex
from django.db.migrations.operations.base import Operation
from django.db.models import Index, Model

# While a statement waits for its lock, all later statements on the table wait behind it.
LOCK_TIMEOUT_MS = 900
ATTEMPTS = 100
PAUSE_SECONDS = 2
_LOCK_NOT_AVAILABLE = "55P03"


class AddIndexOnline(AddIndex):
    """Creates an index without blocking writes. Its migration needs `atomic = False`.

    A run that was killed leaves an invalid index, which the next run replaces.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_online(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        _create(self.index, to_state.apps.get_model(app_label, self.model_name), schema_editor)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_online(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        _drop(self.index, from_state.apps.get_model(app_label, self.model_name), schema_editor)


class RemoveIndexOnline(RemoveIndex):
    """Drops an index without waiting for the table. Its migration needs `atomic = False`."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_online(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        index = self._index(app_label, from_state)
        _drop(index, from_state.apps.get_model(app_label, self.model_name), schema_editor)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_online(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        index = self._index(app_label, to_state)
        _create(index, to_state.apps.get_model(app_label, self.model_name), schema_editor)

    def _index(self, app_label: str, state: Any) -> Any:
        return state.models[app_label, self.model_name_lower].get_index_by_name(self.name)


class ReplaceIndexOnline(Operation):
    """Changes an index and keeps its name. Queries have the old one until the new one is built.

    Its migration needs `atomic = False`. Django records such a migration at its end: after a run
    that was killed, the next one builds all its indexes again.
    """

    reversible = True
    atomic = False

    def __init__(self, model_name: str, index: Index) -> None:
        self.model_name, self.index = model_name, index

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_index(app_label, self.model_name.lower(), self.index.name)
        state.add_index(app_label, self.model_name.lower(), self.index)

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        old, new = (self._index(app_label, state) for state in (from_state, to_state))
        if not _is_online(schema_editor):
            schema_editor.remove_index(model, old)
            schema_editor.add_index(model, new)
            return
        built = new.clone()
        built.name = f"{new.name}_new"
        _create(built, model, schema_editor)
        _drop(old, model, schema_editor)
        schema_editor.rename_index(model, built, new)

    database_backwards = database_forwards

    def describe(self) -> str:
        return f"Replace the index {self.index.name} of {self.model_name}"

    def _index(self, app_label: str, state: Any) -> Any:
        return state.models[app_label, self.model_name.lower()].get_index_by_name(self.index.name)


class DropFieldIndexOnline(Operation):
    """Drops an index that Django has created for a field. The state does not change.

    With `for_like` it is the second one, which a unique text has on PostgreSQL for `LIKE 'a%'`,
    and which no option of the field prevents.
    """

    reversible = True
    atomic = False

    def __init__(self, model_name: str, field: str, for_like: bool = False) -> None:
        self.model_name, self.field, self.for_like = model_name, field, for_like

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Do nothing."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._execute("DROP INDEX {online} IF EXISTS {name}", app_label, schema_editor, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        kind = "varchar_pattern_ops" if self.for_like else ""
        create = f"CREATE INDEX {{online}} IF NOT EXISTS {{name}} ON {{table}} ({{column}} {kind})"
        self._execute(create, app_label, schema_editor, to_state)

    def describe(self) -> str:
        return f"Drop the index of {self.model_name}.{self.field}"

    def _execute(self, statement: str, app_label: str, schema_editor: Any, state: Any) -> None:
        if self.for_like and schema_editor.connection.vendor != "postgresql":
            return
        model = state.apps.get_model(app_label, self.model_name)
        table, column = model._meta.db_table, model._meta.get_field(self.field).column
        suffix = "_like" if self.for_like else ""
        index = schema_editor._create_index_name(table, [column], suffix=suffix)
        names = {"name": index, "table": table, "column": column}
        quoted = {key: schema_editor.quote_name(value) for key, value in names.items()}
        if not _is_online(schema_editor):
            schema_editor.execute(statement.format(**quoted, online=""))
            return
        with _without_lock_timeout(schema_editor):
            schema_editor.execute(statement.format(**quoted, online="CONCURRENTLY"))


def give_way(alias: str, migrate: Callable[[], object], report: Callable[[str], None]) -> None:
    """Call `migrate`, which gives up waiting for a lock before it blocks others for a second.

    Then it is called again. Migrations that are finished are not repeated.
    """
    if connections[alias].vendor != "postgresql":
        migrate()
        return
    for left in reversed(range(ATTEMPTS)):
        try:
            with _lock_timeout(connections[alias], f"{LOCK_TIMEOUT_MS}ms"):
                migrate()
            return
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _LOCK_NOT_AVAILABLE or not left:
                raise
        report("A table is in use. Trying again, so that nobody waits for the migration.")
        time.sleep(PAUSE_SECONDS)


def _create(index: Index, model: type[Model], schema_editor: Any) -> None:
    """Create an index, in the place of an invalid one."""
    with _without_lock_timeout(schema_editor):
        schema_editor.remove_index(model, index, concurrently=True)  # if it exists
        schema_editor.add_index(model, index, concurrently=True)


def _drop(index: Index, model: type[Model], schema_editor: Any) -> None:
    with _without_lock_timeout(schema_editor):
        schema_editor.remove_index(model, index, concurrently=True)


def _is_online(schema_editor: Any) -> bool:
    return bool(schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql)


@contextmanager
def _without_lock_timeout(schema_editor: Any) -> Iterator[None]:
    """Wait for others as long as they need: nobody waits for a concurrent index."""
    with _lock_timeout(schema_editor.connection, "0"):
        yield


@contextmanager
def _lock_timeout(connection: Any, value: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (usual,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [value])
    try:
        yield
    finally:
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [usual])
