"""Each compiled statement reads and writes what the ORM does, for every field."""

import copy
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.models import AuditLog, AuditPersonal, FeedEntry
from common.statements import (
    Argument,
    CompiledInsert,
    CompiledSelect,
    CompiledUpdate,
    _preparer,
    _reader,
    _unchanged,
    writing,
)
from sessions_app.credentials import hash_token
from sessions_app.models import Consent, ServiceKey, UserSession
from tests.helpers import Visitor
from uploads_app.models import StoreState, UploadedFile, UploadQuota

pytestmark = pytest.mark.both

EMPTY: dict[str, Any] = {"restored_from": None, "retry_key": None}
MOMENT = datetime(2026, 11, 27, 12, 30, 15, 123456, tzinfo=UTC)
SAMPLES: dict[str, Callable[[Any], Any]] = {
    "BooleanField": lambda field: not field.default,
    "CharField": lambda field: field.choices[-1][0] if field.choices else field.name,
    "JSONField": lambda field: [field.name],
    "PositiveBigIntegerField": lambda field: 2**40 + field.creation_counter,
    "PositiveIntegerField": lambda field: 7 + field.creation_counter,
    "DateTimeField": lambda field: MOMENT.replace(microsecond=field.creation_counter % 999_999 + 1),
    "TextField": lambda field: f'"{field.name}"',
    "UUIDField": lambda field: uuid.uuid5(uuid.uuid4(), field.name),
}


def filled(model: type[models.Model], **chosen: Any) -> Any:
    """Return an unsaved row in which each field has a value; fails for a field without a sample."""
    values = {
        field.name: SAMPLES[field.get_internal_type()](field)
        for field in model._meta.concrete_fields
        if field.name not in chosen and field is not model._meta.auto_field
    }
    return model(**values, **chosen)


def snapshot(row: models.Model) -> dict[str, Any]:
    """Return every attribute of a row with its type, and the rows that are cached with it."""
    values = {name: value for name, value in vars(row).items() if name != "_state"}
    described: dict[str, Any] = {name: (type(value), value) for name, value in values.items()}
    read_at = described.pop("read_at", None)
    assert read_at is None or read_at[1].tzinfo
    for name, cached in row._state.fields_cache.items():
        described[f"cached {name}"] = cached and {
            field.attname: getattr(cached, field.attname) for field in cached._meta.concrete_fields
        }
    return {**described, "adding": row._state.adding, "db": row._state.db}


def a_session() -> dict[str, Any]:
    """Store a session with a value in every field, and two consents; return its token's hash."""
    predecessor = UserSession(token_hash=hash_token("earlier"))
    predecessor.save(force_insert=True)
    session = filled(UserSession, predecessor=predecessor, status="ended")
    session.save(force_insert=True)
    UploadQuota(session=session, files=2, bytes=2**40).save(force_insert=True)
    for purpose in ("improvement", "contact"):
        Consent(session=session, purpose=purpose, granted=True, version="1").save()
    return {"token_hash": session.token_hash}


def a_session_with_a_file() -> dict[str, Any]:
    values = a_session()
    session = UserSession.objects.get(**values)
    filled(UploadedFile, session=session, status="stored", restored_from=None).save()
    return values


def a_file() -> dict[str, Any]:
    """Store a session with a file; return the session's key."""
    session = UserSession(token_hash=hash_token("uploader"))
    session.save(force_insert=True)
    filled(UploadedFile, session=session, status="stored", restored_from=None).save()
    return {"session": session.pk}


def a_copied_file() -> dict[str, Any]:
    """Store two files, of which one is the copy of the other; return its key and its session's."""
    values = a_file()
    original = UploadedFile.objects.get()
    chosen = {"session": original.session, "status": "stored", "key": "copy", "retry_key": "again"}
    copied = filled(UploadedFile, restored_from=original, **chosen)
    copied.save(force_insert=True)
    return {**values, "pk": copied.pk}


def a_key() -> dict[str, Any]:
    """Store a service key without the time at which it would end; return its hash."""
    later = timezone.now() + timedelta(days=1)
    key = filled(ServiceKey, expires_at=later, revoked_at=None, name="agent")
    key.save(force_insert=True)
    return {"key_hash": key.key_hash}


def a_live_session() -> dict[str, Any]:
    later = timezone.now() + timedelta(days=1)
    session = filled(
        UserSession, predecessor=None, status="active", ended_at=None, expires_at=later
    )
    session.save(force_insert=True)
    return {"uuid": str(session.uuid)}


def a_locked_session() -> dict[str, Any]:
    return {"session": a_live_session()["uuid"]}


def a_store() -> dict[str, Any]:
    filled(StoreState, singleton=StoreState.SINGLETON).save(force_insert=True)
    return {}


READS: dict[str, Callable[[], dict[str, Any]]] = {
    "sessions_app.authentication._PROVEN": a_session,
    "sessions_app.authentication._DESCRIBED": a_session,
    "sessions_app.authentication._POLLED": a_session_with_a_file,
    "sessions_app.services.service_keys._GOOD_KEY": a_key,
    "sessions_app.services.service_keys._LIVE": a_live_session,
    "uploads_app.api.views._FIRST_FILES": a_file,
    "uploads_app.api.views._ONE_FILE": a_copied_file,
    "uploads_app.marker.comparison._STATE": a_store,
    "uploads_app.services.upload._LIVE": a_locked_session,
}


def compiled(kind: type[Any]) -> dict[str, Any]:
    """Return the product's compiled statements by name."""
    import_module(settings.ROOT_URLCONF)  # and with it every view
    packages = ("common", "audit_app", "sessions_app", "uploads_app", "backoffice_app")
    return {
        f"{module}.{name}": statement
        for module in sorted(sys.modules)
        if module.partition(".")[0] in packages
        for name, statement in vars(sys.modules[module]).items()
        if isinstance(statement, kind)
    }


def logged() -> AuditLog:
    log: AuditLog = filled(AuditLog)
    log.save(force_insert=True)
    return log


INSERTS: dict[str, Callable[[], Any]] = {
    "sessions_app.services.sessions._SESSIONS": lambda: filled(
        UserSession, predecessor=UserSession.objects.get(), status="ended"
    ),
    "audit_app.services._LOGS": lambda: filled(AuditLog),
    "audit_app.services._FEED": lambda: filled(FeedEntry, log=logged()),
    "audit_app.services._PARTS": lambda: filled(AuditPersonal, log=logged()),
    "uploads_app.services.upload._UPLOADS": lambda: filled(
        UploadedFile, session=UserSession.objects.get(), status="stored", restored_from=None
    ),
}


def a_used_quota() -> dict[str, Any]:
    """Store a quota with two files, and a deleted one whose form is open; it allows one more."""
    session = UserSession.objects.get(pk=a_file()["session"])
    deleted = filled(UploadedFile, session=session, key="form", status="deleted", size=7, **EMPTY)
    deleted.save(force_insert=True)
    size = UploadedFile.objects.get(status="stored").size
    UploadQuota(session=session, files=1, bytes=size).save(force_insert=True)
    UploadQuota(session=filled_session(), files=1, bytes=size).save(force_insert=True)
    return {"session": session.pk, "size": 100, "max_files": 3, "max_bytes": size + 107}


def filled_session() -> UserSession:
    session: UserSession = filled(UserSession, predecessor=None, status="ended")
    session.save(force_insert=True)
    return session


def a_pending_file() -> dict[str, Any]:
    a_file()
    session = UserSession.objects.get()
    files = [
        filled(UploadedFile, session=session, status="pending", key=key, **EMPTY)
        for key in ("one", "two")
    ]
    for file in files:
        file.save(force_insert=True)
    return {"upload": files[0].pk, "sha256": "5ca1ab1e", "stored_at": MOMENT}


UPDATES: dict[str, Callable[[], dict[str, Any]]] = {
    "uploads_app.services.quota._ADMIT": a_used_quota,
    "uploads_app.services.transition._MARK_STORED": a_pending_file,
}


def rows_of(model: type[models.Model]) -> list[dict[str, Any]]:
    return list(model._default_manager.order_by("pk").values())


def by_the_orm(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    """Let a query set of a compiled statement have these values."""

    def as_sql(self: Argument, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self.output_field.get_db_prep_value(values[self.name], connection),)

    monkeypatch.setattr(Argument, "as_sql", as_sql)


def stored(row: models.Model, insert: Callable[[list[Any], Any], None]) -> tuple[Any, ...]:
    """Insert a copy of a row, and return what the database has then, except a key of its own."""
    copied = copy.deepcopy(row)
    fields = [f for f in row._meta.concrete_fields if f is not row._meta.auto_field]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    with transaction.atomic():
        with writing() as cursor:
            insert([copied], cursor)
        assert copied.pk is not None
        assert (copied._state.adding, copied._state.db) == (False, "default")
        key = row._meta.pk.get_db_prep_value(copied.pk, connection)
        with connection.cursor() as cursor:
            cursor.execute(
                f'SELECT {columns} FROM {row._meta.db_table} WHERE "{row._meta.pk.column}" = %s',
                [key],
            )
            (values,) = cursor.fetchall()
        transaction.set_rollback(True)
    return tuple(values)


def test_each_statement_is_compared() -> None:
    assert compiled(CompiledSelect).keys() == READS.keys()
    assert compiled(CompiledInsert).keys() == INSERTS.keys()
    assert compiled(CompiledUpdate).keys() == UPDATES.keys()


@pytest.mark.parametrize("name", INSERTS)
@pytest.mark.parametrize("value", ["of every field", "empty"])
def test_inserted_rows_are_those_of_the_orm(visitor: Visitor, name: str, value: str) -> None:
    row = INSERTS[name]()
    for field in row._meta.concrete_fields if value == "empty" else ():
        if field.null:
            setattr(row, field.attname, None)
    if isinstance(row, UserSession) and value == "empty":
        row.status = "active"
    statement = compiled(CompiledInsert)[name]

    def create(rows: list[Any], cursor: Any) -> None:
        type(row)._default_manager.bulk_create(rows)

    assert stored(row, statement.insert) == stored(row, create)


@pytest.mark.parametrize("name", INSERTS)
def test_new_rows_have_the_values_and_defaults_of_the_model(visitor: Visitor, name: str) -> None:
    given, statement = INSERTS[name](), compiled(CompiledInsert)[name]
    values = {field.attname: getattr(given, field.attname) for field in given._meta.concrete_fields}

    assert snapshot(statement.new(**values)) == snapshot(type(given)(**values))
    assert kinds(statement.new()) == kinds(type(given)())
    with pytest.raises(TypeError, match="has no column nothing"):
        statement.new(**values, nothing=1)


def kinds(row: models.Model) -> dict[str, Any]:
    """Return the values of a row, but only the types of those that differ for each row.

    A choice is its text, as it is when the row is read.
    """
    values = {name: value for name, value in vars(row).items() if name != "_state"}
    texts = {name: str(value) for name, value in values.items() if isinstance(value, str)}
    return {
        name: value if isinstance(value, bool | int | type(None)) or value == "" else type(value)
        for name, value in {**values, **texts}.items()
    }


def test_several_rows_are_inserted_at_once(db: None, django_assert_num_queries: Any) -> None:
    logs = [
        filled(AuditLog),
        filled(AuditLog, session_uuid=None, retention=None),
        filled(
            AuditLog, text="\"a\\\n\u2028'\N{GRINNING FACE}%s {0} $1", target="", occurred_at=MOMENT
        ),
    ]
    with django_assert_num_queries(1), writing() as cursor:
        CompiledInsert(AuditLog).insert(logs, cursor)
    for log in logs:
        assert snapshot(AuditLog.objects.get(pk=log.pk)) == snapshot(log)

    entries = [FeedEntry(log=logs[0], position=2**40), FeedEntry(log=logs[1])]
    with django_assert_num_queries(1), writing() as cursor:
        CompiledInsert(FeedEntry).insert(entries, cursor)
    assert list(FeedEntry.objects.order_by("log").values_list("log", "position")) == [
        (logs[0].pk, 2**40), (logs[1].pk, None),
    ]  # fmt: skip


def test_no_row_is_no_statement(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), writing() as cursor:
        CompiledInsert(AuditLog).insert([], cursor)


def test_a_failed_insert_ends_the_transaction(visitor: Visitor) -> None:
    session = filled(UserSession, predecessor=None, status="ended")
    session.support_code = visitor.row.support_code

    with transaction.atomic():
        with pytest.raises(IntegrityError), writing() as cursor:
            CompiledInsert(UserSession).insert([session], cursor)
        with pytest.raises(transaction.TransactionManagementError):
            UserSession.objects.count()


def test_one_cursor_serves_all_writes_inside_the_first(visitor: Visitor) -> None:
    again = filled(UserSession, predecessor=None, status="ended")
    again.support_code = visitor.row.support_code
    with transaction.atomic(), writing() as cursor:
        with pytest.raises(IntegrityError):
            insert_inside(cursor, again)
        with pytest.raises(transaction.TransactionManagementError):
            cursor.execute("SELECT 1")
    with writing() as later:
        assert later is not cursor


def insert_inside(outer: Any, session: UserSession) -> None:
    with writing() as cursor:
        assert cursor is outer
        CompiledInsert(UserSession).insert([session], cursor)


class Encrypted(models.CharField):  # type: ignore[type-arg]
    """A field that changes a text, and no text, on the way to the database."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return f"encrypted {value}"


def test_only_what_a_field_does_not_change_is_inserted_as_it_is() -> None:
    assert _unchanged(Encrypted(), connection) == set()
    assert _unchanged(models.EmailField(), connection) == {str, type(None)}
    assert _unchanged(models.TextField(), connection) == {str, type(None)}
    assert _unchanged(models.BigAutoField(), connection) == {int, type(None)}
    assert _unchanged(models.DateTimeField(), connection) == {type(None)}
    native = {uuid.UUID} if connection.vendor == "postgresql" else set()
    keys: list[Any] = [models.UUIDField(), UserSession._meta.get_field("predecessor")]
    assert [_unchanged(key, connection) for key in keys] == [{type(None), *native}] * 2


def test_a_field_that_sets_the_time_does_so_in_an_insert_too() -> None:
    field: Any = models.DateTimeField(auto_now_add=True)
    field.set_attributes_from_name("created_at")
    row = SimpleNamespace(created_at=None)

    assert _reader(field)(row) == row.created_at is not None


def test_a_time_without_its_zone_is_prepared_by_the_field(
    recwarn: pytest.WarningsRecorder,
) -> None:
    _preparer(models.DateTimeField(), connection)(datetime(2026, 11, 28))

    assert [str(warning.message) for warning in recwarn if "naive" in str(warning.message)]


def test_an_expression_is_not_inserted(visitor: Visitor) -> None:
    session = filled(UserSession, predecessor=None, status="ended", created_at=Now())

    for sessions in ([session], [session, session]):
        with pytest.raises(Exception, match="Now"), transaction.atomic(), writing() as cursor:
            CompiledInsert(UserSession).insert(sessions, cursor)


@pytest.mark.parametrize("name", READS)
def test_rows_are_those_of_the_orm(db: None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = READS[name]()
    statement = compiled(CompiledSelect)[name]

    rows = statement.read(**values)

    by_the_orm(monkeypatch, values)
    expected = list(statement._build())
    assert [snapshot(row) for row in rows] == [snapshot(row) for row in expected]
    assert rows
    empty = {name for name, value in vars(rows[0]).items() if value is None}
    assert empty <= {"ended_at", "predecessor_id", "revoked_at"}


@pytest.mark.parametrize("name", UPDATES)
def test_updated_rows_are_those_of_the_orm(
    db: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, statement = UPDATES[name](), compiled(CompiledUpdate)[name]
    model = statement._build().model
    before = rows_of(model)
    with transaction.atomic():
        number, after = statement.update(**values), rows_of(model)
        transaction.set_rollback(True)

    by_the_orm(monkeypatch, values)

    assert number == statement._build().update(**statement._changes) == 1
    assert before != after == rows_of(model)


def test_a_failed_update_ends_the_transaction(visitor: Visitor) -> None:
    code = Argument("code", UserSession._meta.get_field("support_code"))
    filled_session()
    update = CompiledUpdate(UserSession.objects.all, support_code=code)

    with transaction.atomic():
        with pytest.raises(IntegrityError):
            update.update(code="the same")
        with pytest.raises(transaction.TransactionManagementError):
            UserSession.objects.count()


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_inside_a_transaction() -> None:
    with pytest.raises(transaction.TransactionManagementError, match="inside a transaction"):
        CompiledSelect(UserSession.objects.select_for_update).read()


def test_a_session_is_described_with_its_answers_and_quota(
    visitor: Visitor, django_assert_num_queries: Any
) -> None:
    session = visitor.row
    for purpose, granted in (("improvement", False), ("contact", True)):
        Consent(session=session, purpose=purpose, granted=granted, version="2").save()

    with django_assert_num_queries(1):
        answer = visitor.current().json()

    assert list(answer["consent"].items()) == [
        ("contact", {"granted": True, "version": "2"}),
        ("improvement", {"granted": False, "version": "2"}),
    ]
    assert answer["used"] == {"files": 0, "bytes": 0}
