"""Scenes that take long to make: made once in each process of the run, and put back for each test.

What is put back is as old as it was when the scene was made.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models
from django.utils import timezone

from sessions_app.models import UserSession
from tests.helpers import Visitor, store_root
from tests.uploads_app.cleanup.cleanup_support import store_contents

APPS = ("sessions_app", "audit_app", "uploads_app")
Made = TypeVar("Made")
Rows = list[tuple[type[models.Model], list[models.Model]]]


@dataclass(frozen=True)
class _Kept:
    """What a scene has left in the database and the store, and what it returned."""

    at: datetime
    rows: Rows
    contents: dict[str, tuple[bytes, float] | None]
    returned: Any


_kept: dict[Callable[[], Any], _Kept] = {}


def scene_of(make: Callable[[], Made]) -> Made:
    """Make a scene in an empty deployment, or put back what it was; return what `make` returned."""
    if make not in _kept:
        assert not UserSession.objects.exists(), "a scene is kept with all that there is"
        returned = make()
        _kept[make] = _Kept(timezone.now(), _all_rows(), store_contents(), _copied(returned))
        return returned
    kept = _kept[make]
    passed = timezone.now() - kept.at
    _put_rows_back(kept.rows, passed)
    _put_store_back(kept.contents, passed)
    again: Made = _copied(kept.returned)
    return again


def _all_rows() -> Rows:
    found = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return [(model, list(model._base_manager.order_by("pk"))) for model in found]


def _put_rows_back(rows: Rows, passed: timedelta) -> None:
    for model, kept in rows:
        times = [f.attname for f in model._meta.fields if isinstance(f, models.DateTimeField)]
        again = [copy.copy(row) for row in kept]
        for row in again:
            for name in times:
                if getattr(row, name) is not None:
                    setattr(row, name, getattr(row, name) + passed)
        model._base_manager.bulk_create(again)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(
            no_style(), [model for model, _ in rows]
        ):
            cursor.execute(statement)


def _put_store_back(contents: dict[str, tuple[bytes, float] | None], passed: timedelta) -> None:
    for name, file in contents.items():
        path = store_root() / name
        if file is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        body, modified = file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (modified + passed.total_seconds(),) * 2)


def _copied(value: Made) -> Made:
    """Return a copy whose rows and visitors a test may change; a visitor's middleware is its own."""
    visitors = [one for one in vars(value).values() if isinstance(one, Visitor)] if value else []
    return copy.deepcopy(value, {id(one): _clone(one) for one in visitors})


def _clone(visitor: Visitor) -> Visitor:
    other = Visitor()
    other.uuid, other.cookies = visitor.uuid, copy.deepcopy(visitor.cookies)
    return other
