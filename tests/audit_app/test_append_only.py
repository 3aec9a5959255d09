"""The log is append-only: Python and the database refuse to change or delete a row."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from audit_app import triggers
from audit_app.models import AppendOnly, AuditLog, AuditPersonal
from tests.cases import cases
from tests.databases import lift_triggers
from tests.helpers import Visitor, uploaded

pytestmark = pytest.mark.both

TABLES = (AuditLog, AuditPersonal)
LOG, PERSONAL = triggers.LOG, triggers.PERSONAL
COLUMNS = [(model, field) for model in TABLES for field in model._meta.concrete_fields]


def log_rows() -> list[Any]:
    """Return every row of both tables."""
    return [row for model in TABLES for row in model._base_manager.order_by("pk").values_list()]


@pytest.fixture
def row(visitor: Visitor) -> Iterator[AuditLog]:
    """A row that a test tries to change; checks afterwards that the whole log is unchanged."""
    uploaded(visitor)
    before = log_rows()
    yield AuditLog.objects.get(event_type="upload.stored")
    assert log_rows() == before


def run(sql: str, *params: Any) -> None:
    """Run raw SQL in its own transaction."""
    # PostgreSQL does not truncate a table with pending deferred checks, as a test's rows have.
    connection.check_constraints()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def another(field: Any) -> Any:
    """Return another valid value of the column."""
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.BigAutoField | models.OneToOneField):
        return 987_654
    return "tampered"


def id_of(value: object) -> str:
    if isinstance(value, models.Field):
        return str(value.column)
    return value.__name__ if isinstance(value, type) else ""


@cases(("model", "field"), COLUMNS, ids=id_of)
def test_t41_no_column_can_be_changed_by_sql(row: AuditLog, model: Any, field: Any) -> None:
    value = field.get_db_prep_save(another(field), connection)
    table, key = model._meta.db_table, model._meta.pk.column
    with pytest.raises(DatabaseError, match="append-only"):
        run(f"UPDATE {table} SET {field.column} = %s WHERE {key} = %s", value, row.pk)


@cases(("model", "field"), COLUMNS, ids=id_of)
def test_t41_no_column_can_be_changed_by_the_orm(row: AuditLog, model: Any, field: Any) -> None:
    refused: Any = (AppendOnly, DatabaseError)
    with (
        pytest.raises(refused, match=r"append-only|audit rows cannot be updated"),
        transaction.atomic(),
    ):
        model.objects.filter(pk=row.pk).update(**{field.attname: another(field)})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        models.QuerySet(model).filter(pk=row.pk).update(**{field.attname: another(field)})
    if not field.primary_key:
        changed = model.objects.get(pk=row.pk)
        setattr(changed, field.attname, another(field))
        with (
            pytest.raises(refused, match=r"append-only|audit rows cannot be updated"),
            transaction.atomic(),
        ):
            changed.save()


def copied(verb: str, table: str, tail: str = "") -> str:
    """Return SQL that inserts the rows over themselves."""
    return f"{verb} INTO {table} SELECT * FROM {table} WHERE 1 = 1 {tail}"


EVERYWHERE = {
    "update": f"UPDATE {LOG} SET actor = 'x'",
    "update to itself": f"UPDATE {LOG} SET actor = actor",
    "delete": f"DELETE FROM {LOG}",
    "upsert by id": copied("INSERT", LOG, "ON CONFLICT (id) DO UPDATE SET actor = 'x'"),
    "upsert by event id": (
        f"INSERT INTO {LOG} (event_id, occurred_at, event_type, outcome, target, actor, request_id,"
        f" network, text) SELECT event_id, occurred_at, 'x', outcome, target, actor, request_id,"
        f" network, text FROM {LOG} WHERE 1 = 1 ON CONFLICT (event_id) DO UPDATE SET actor = 'x'"
    ),
    "personal update": f"UPDATE {PERSONAL} SET file_name = 'x'",
    "personal upsert": copied(
        "INSERT", PERSONAL, "ON CONFLICT (log_id) DO UPDATE SET file_name = 'x'"
    ),
}
SQLITE = {
    "replace": copied("INSERT OR REPLACE", LOG),
    "replace, short": copied("REPLACE", LOG),
    "replace by event id": (
        f"INSERT OR REPLACE INTO {LOG} (event_id, occurred_at, event_type, outcome, target, actor,"
        f" request_id, network, text) SELECT event_id, occurred_at, 'x', outcome, target, actor,"
        f" request_id, network, text FROM {LOG}"
    ),
    "update or replace": f"UPDATE OR REPLACE {LOG} SET id = 1",
    "personal replace": copied("INSERT OR REPLACE", PERSONAL),
}
POSTGRESQL = {
    "truncate": f"TRUNCATE {LOG} CASCADE",
    "truncate all": f"TRUNCATE {LOG}, {PERSONAL}, audit_app_feedentry",
    "personal truncate": f"TRUNCATE {PERSONAL}",
    "merge": (
        f"MERGE INTO {LOG} t USING {LOG} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET actor = 'x'"
    ),
    "merge delete": f"MERGE INTO {LOG} t USING {LOG} s ON t.id = s.id WHEN MATCHED THEN DELETE",
}


STATEMENTS = {**EVERYWHERE, **{"sqlite": SQLITE, "postgresql": POSTGRESQL}[connection.vendor]}


@cases("name", STATEMENTS)
def test_t44_sql_that_changes_or_deletes_rows_is_refused(row: AuditLog, name: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"):
        run(STATEMENTS[name])


ORM: dict[str, Callable[[AuditLog], Any]] = {
    "update": lambda _: AuditLog.objects.update(actor="x"),
    "delete": lambda _: AuditLog.objects.all().delete(),
    "filtered delete": lambda _: AuditLog.objects.about_session(uuid.uuid4()).delete(),
    "bulk update": lambda row: AuditLog.objects.bulk_update([row], ["actor"]),
    "async update": lambda _: async_to_sync(AuditLog.objects.all().aupdate)(actor="x"),
    "async delete": lambda _: async_to_sync(AuditLog.objects.all().adelete)(),
    "async bulk update": lambda row: async_to_sync(AuditLog.objects.all().abulk_update)(
        [row], ["actor"]
    ),
    "save": lambda row: row.save(),
    "save of a field": lambda row: row.save(update_fields=["actor"]),
    "delete of a row": lambda row: row.delete(),
    "update or create": lambda row: AuditLog.objects.update_or_create(
        pk=row.pk, defaults={"actor": "x"}
    ),
}
PAST_PYTHON: dict[str, Callable[[AuditLog], Any]] = {
    "base manager update": lambda _: models.QuerySet(AuditLog).update(actor="x"),
    "raw delete": lambda _: AuditLog.objects.all()._raw_delete("default"),
    "save over": lambda row: AuditLog(
        **{f.attname: getattr(row, f.attname) for f in AuditLog._meta.concrete_fields}
    ).save(),
    "bulk create over": lambda row: AuditLog.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
    ),
    "personal update": lambda _: AuditPersonal.objects.update(file_name="x"),
    "personal bulk update": lambda row: AuditPersonal.objects.bulk_update(
        [row.personal], ["file_name"]
    ),
    "personal save": lambda row: row.personal.save(),
}


@cases("name", ORM)
def test_t44_the_orm_refuses_before_it_sends_a_query(row: AuditLog, name: str) -> None:
    with pytest.raises(AppendOnly):
        ORM[name](row)


@cases("name", PAST_PYTHON)
def test_t44_the_database_refuses_what_the_orm_does_not(row: AuditLog, name: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        PAST_PYTHON[name](row)


def test_t44_a_flush_is_refused(row: AuditLog, visitor: Visitor) -> None:
    connection.check_constraints()
    with pytest.raises(CommandError) as refused, transaction.atomic():
        call_command("flush", interactive=False, verbosity=0)
    assert "append-only" in str(refused.value.__cause__)
    assert visitor.current().status_code == 200


def test_inserts_are_allowed(visitor: Visitor) -> None:
    """The triggers refuse changes only, so the other tests do not pass by chance."""
    before = log_rows()
    visitor.end()
    assert len(log_rows()) == len(before) + 2
    assert [row for row in log_rows() if row in before] == before


def drop(name: str) -> None:
    definition = triggers.wanted(connection.vendor)[name]
    table = PERSONAL if PERSONAL in definition else LOG
    run(f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))


def found_missing() -> list[str]:
    """Return the messages of the start-up check."""
    return [m.msg for m in run_checks(databases=["default"]) if m.id == "audit_app.E001"]


@pytest.mark.parametrize("name", triggers.wanted(connection.vendor))
def test_t44_a_missing_trigger_fails_a_check_and_migrate_installs_it(
    visitor: Visitor, name: str
) -> None:
    assert found_missing() == []
    drop(name)
    assert found_missing() == [f"The audit log can be changed: trigger {name} is not installed."]
    # Like the command line, with the checks first.
    call_command("migrate", verbosity=0, skip_checks=False)
    assert found_missing() == []
    for sql in STATEMENTS.values():
        with pytest.raises(DatabaseError, match="append-only"):
            run(sql)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL can disable one")
@pytest.mark.parametrize("how", ["DISABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
def test_t44_a_disabled_trigger_counts_as_missing(visitor: Visitor, how: str) -> None:
    run(f"ALTER TABLE {LOG} {how} audit_no_change")
    assert len(found_missing()) == 1
    call_command("migrate", verbosity=0, skip_checks=False)
    assert found_missing() == []
    with pytest.raises(DatabaseError, match="append-only"):
        run(f"UPDATE {LOG} SET actor = 'x'")


def test_without_the_triggers_the_database_changes_rows(visitor: Visitor) -> None:
    """So the tests above test the triggers and nothing else."""
    lift_triggers()
    assert len(found_missing()) == 1
    run(f"UPDATE {LOG} SET actor = 'x'")
    assert set(AuditLog.objects.values_list("actor", flat=True)) == {"x"}
