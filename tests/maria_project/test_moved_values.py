"""Every value that the move copies is the text that PostgreSQL writes for it, of every type."""

import json
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from maria_project.database_move import target
from maria_project.database_move.rendering import _SIMPLE, _TEXTS, RowRenderer
from tests.maria_project.moved_rows import DEEP, TEXTS

pytestmark = [pytest.mark.both, pytest.mark.django_db]

VALUES: dict[str, list[Any]] = {
    "bigint": [0, -1, 2**63 - 1],
    "integer": [2**31 - 1],
    "smallint": [-32768],
    "boolean": [0, 1, None],
    "bytea": [b"", b"\x00\xff\\", bytes(range(256))],
    "date": ["2026-02-28"],
    "double precision": [0.1, 1.0, 1e-7, 1e16, 123456789.125, -0.0, 5e-324],
    "interval": [0, 1, -1, 86_400_000_000, -86_400_000_001, 3_723_000_000, 59_999_999, 3_600_000_000],
    "timestamp with time zone": [
        "2026-01-02 03:04:05", "2026-01-02 03:04:05.120000", "2026-01-02 03:04:05.000",
        "1999-12-31 23:59:59.999999", "2026-01-02T03:04:05.5Z", "2026-01-02 03:04:05+02:00",
    ],
    "uuid": ["0123456789abcdef0123456789abcdef"],
    "character varying": [*TEXTS, None, "0"],
    "text": [*TEXTS, "x" * 10_000],
    "inet": ["203.0.113.7", "2001:db8::1"],
    "jsonb": [
        json.dumps(DEEP), "null", "[]", "{}", '"\\u0000\\ud83d\\ude00\\ud800"', "[1.50, 1e2, -1.5e-3, 0]",
        '{"bb": 1, "a": 2, "é": 3, "b": 4, "": 5}', "true", None,
    ],
}  # fmt: skip


@pytest.mark.skipif(connection.vendor != "postgresql", reason="it is PostgreSQL's text")
def test_postgresql_writes_each_value_as_it_was_rendered() -> None:
    target.begin()
    for kind, values in VALUES.items():
        renderer = RowRenderer([("value", kind)])
        lines = [renderer.line([value]) for value in values]
        target.execute(f"CREATE TEMPORARY TABLE moved (value {kind})")
        target.copy_in("moved", ["value"], lines)
        assert [*target.copy_out("moved", ["value"])] == lines, kind
        target.execute("DROP TABLE moved")


def test_every_column_of_the_product_has_a_known_type() -> None:
    assert VALUES.keys() == {*_SIMPLE, *_TEXTS, "jsonb"}
    if connection.vendor == "postgresql":
        models = apps.get_models(include_auto_created=True)
        found = {kind for model in models for _, kind in target.columns(model._meta.db_table)}
        assert found <= VALUES.keys()


def test_replaced_characters_are_counted_for_each_column() -> None:
    renderer = RowRenderer([("name", "text"), ("data", "jsonb")])
    assert renderer.line(["a\x00b\x00", '{"k\\u0000": "\\ud800"}']) == (
        'a\ufffdb\ufffd\t{"k\ufffd": "\ufffd"}\n'.encode()
    )
    assert renderer.replaced == {"name": 2, "data": 2}
