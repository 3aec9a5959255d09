"""A migration does not let visitors wait: an index is built beside writers, and a lock is given up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, migrations, models
from django.db.migrations.migration import Migration
from django.db.migrations.state import ModelState, ProjectState

from common import online_migrations
from common.online_migrations import (
    AddIndexOnline,
    DropFieldIndexOnline,
    RemoveIndexOnline,
    ReplaceIndexOnline,
    give_way,
)

pytestmark = [pytest.mark.both, pytest.mark.slow]

TABLE = "online_thing"
# Of a visitor's statement, while a migration waits. The limit of a request's statement is above.
PATIENCE_MS = 20_000


@pytest.fixture
def state(committed: None) -> Iterator[ProjectState]:
    """A table outside the product, in the test's database."""
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=9, unique=True)),
    ]
    state = ProjectState()
    state.add_model(ModelState("online", "Thing", fields))
    with connection.schema_editor() as editor:
        editor.create_model(state.apps.get_model("online", "Thing"))
    yield state
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def apply(state: ProjectState, *applied: Any) -> ProjectState:
    class OnlineMigration(Migration):
        operations = applied
        atomic = False

    with connection.schema_editor(atomic=False) as editor:
        return OnlineMigration("0002", "online").apply(state.clone(), editor)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TABLE)
    return {name for name, one in found.items() if one["index"] and not one["unique"]}


ADD = AddIndexOnline("thing", models.Index(fields=["name"], name="thing_name"))


def test_an_index_is_added_replaced_and_removed(state: ProjectState) -> None:
    django_made = indexes()
    added = apply(state, ADD)
    assert indexes() == {"thing_name", *django_made}
    removed = apply(added, RemoveIndexOnline("thing", "thing_name"))
    assert indexes() == django_made
    apply(removed, DropFieldIndexOnline("thing", "name", for_like=True))
    assert indexes() == set()


def test_visitors_write_while_an_index_is_built(state: ProjectState) -> None:
    need_postgresql()
    with visitor() as slow, visitor() as other:
        slow.execute(f"INSERT INTO {TABLE} (name) VALUES ('slow')")
        with in_a_thread(lambda: apply(state, ADD)):
            wait_for_waiter()
            written = is_answered(other, f"INSERT INTO {TABLE} (name) VALUES ('other')")
            slow.commit()
    assert written
    assert "thing_name" in indexes()


def test_a_migration_gives_up_a_lock_that_others_need(
    state: ProjectState, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_postgresql()
    reported = threading.Event()
    add_field = migrations.AddField("thing", "size", models.IntegerField(null=True))
    with visitor() as slow, visitor() as other:
        slow.execute(f"SELECT count(*) FROM {TABLE}")  # until its commit it has a lock

        def migrate() -> None:
            give_way("default", lambda: apply(state, add_field), lambda _: reported.set())

        with in_a_thread(migrate):
            wait_for_waiter()
            read = is_answered(other, f"SELECT count(*) FROM {TABLE}")
            gave_way = reported.wait(60) if read else False
            slow.commit()
    assert read
    assert gave_way
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT size FROM {TABLE}")
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
    assert online_migrations.LOCK_TIMEOUT_MS < 1000


def test_an_index_keeps_its_name_when_it_is_replaced(state: ProjectState) -> None:
    replace = ReplaceIndexOnline("thing", models.Index(fields=["-name"], name="thing_name"))
    django_made = indexes()
    added = apply(state, ADD)
    replaced = apply(added, replace)
    assert (orders(), indexes()) == (["DESC"], {"thing_name", *django_made})
    with connection.schema_editor(atomic=False) as editor:
        replace.database_backwards("online", editor, replaced, added)
    assert (orders(), indexes()) == (["ASC"], {"thing_name", *django_made})


def test_queries_have_the_old_index_until_the_new_one_is_built(state: ProjectState) -> None:
    need_postgresql()
    added = apply(state, ADD)
    replace = ReplaceIndexOnline("thing", models.Index(fields=["-name"], name="thing_name"))
    with visitor() as slow:
        slow.execute(f"INSERT INTO {TABLE} (name) VALUES ('slow')")
        with in_a_thread(lambda: apply(added, replace)):
            wait_for_waiter()
            is_read = is_valid("thing_name")
            slow.commit()
    assert is_read
    assert orders() == ["DESC"]


def is_valid(name: str) -> bool:
    """Return whether queries read the index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [name])
        return bool(cursor.fetchone() == (True,))


def orders() -> list[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TABLE)
    return list(found["thing_name"]["orders"])


def need_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")


@contextmanager
def visitor() -> Iterator["psycopg.Connection[Any]"]:
    """A connection of its own, whose statements fail if they wait too long."""
    values = connection.settings_dict
    with psycopg.connect(
        host=values["HOST"], port=values["PORT"], user=values["USER"], dbname=values["NAME"],
        options=f"-c statement_timeout={PATIENCE_MS}",
    ) as own:  # fmt: skip
        yield own


def is_answered(own: "psycopg.Connection[Any]", statement: str) -> bool:
    try:
        own.execute(statement)
    except psycopg.errors.QueryCanceled:
        return False
    finally:
        own.commit()
    return True


@contextmanager
def in_a_thread(work: Any) -> Iterator[None]:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(120)


def wait_for_waiter() -> None:
    """Wait until a statement of the migration waits for a lock."""
    with visitor() as observer:
        observer.autocommit = True
        for _ in range(2000):
            found = observer.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchall()
            if found:
                return
            threading.Event().wait(0.01)
    pytest.fail("the migration did not wait")
