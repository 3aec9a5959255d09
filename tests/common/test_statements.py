"""Each compiled statement reads what the ORM reads, for every field."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.db import models

from common.statements import Argument, CompiledSelect
from sessions_app.credentials import hash_token
from sessions_app.models import Consent, UserSession
from tests.helpers import Visitor
from uploads_app.models import UploadedFile, UploadQuota

pytestmark = pytest.mark.both

MOMENT = datetime(2026, 11, 27, 12, 30, 15, 123456, tzinfo=UTC)
SAMPLES: dict[str, Callable[[Any], Any]] = {
    "BooleanField": lambda field: not field.default,
    "CharField": lambda field: field.choices[-1][0] if field.choices else field.name,
    "JSONField": lambda field: [field.name],
    "PositiveBigIntegerField": lambda field: 2**40 + field.creation_counter,
    "PositiveIntegerField": lambda field: 7 + field.creation_counter,
    "DateTimeField": lambda field: MOMENT.replace(microsecond=field.creation_counter % 999_999 + 1),
    "UUIDField": lambda field: field.default(),
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


def a_file() -> dict[str, Any]:
    """Store a session with a file; return the session's key."""
    session = UserSession(token_hash=hash_token("uploader"))
    session.save(force_insert=True)
    filled(UploadedFile, session=session, status="stored", restored_from=None).save()
    return {"session": session.pk}


READS: dict[str, Callable[[], dict[str, Any]]] = {
    "sessions_app.authentication._PROVEN": a_session,
    "sessions_app.authentication._DESCRIBED": a_session,
    "uploads_app.api.views._FIRST_FILES": a_file,
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


def test_each_statement_is_compared() -> None:
    assert compiled(CompiledSelect).keys() == READS.keys()


@pytest.mark.parametrize("name", READS)
def test_rows_are_those_of_the_orm(db: None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = READS[name]()
    statement = compiled(CompiledSelect)[name]

    rows = statement.read(**values)

    def as_sql(self: Argument, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self.output_field.get_db_prep_value(values[self.name], connection),)

    monkeypatch.setattr(Argument, "as_sql", as_sql)
    expected = list(statement._build())
    assert [snapshot(row) for row in rows] == [snapshot(row) for row in expected]
    assert rows
    assert all(value is not None for value in vars(rows[0]).values())


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
