"""Slow scenes: created once per test process and restored for each test.

A restored scene has the same age as when it was created.
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
    """The database rows, the objects and the return value of a scene."""

    at: datetime
    rows: Rows
    contents: dict[str, tuple[bytes, float] | None]
    returned: Any


_kept: dict[Callable[[], Any], _Kept] = {}


def scene_of(make: Callable[[], Made]) -> Made:
    """Create a scene in an empty deployment, or restore it; return the value of `make`."""
    if make not in _kept:
        assert not UserSession.objects.exists(), "a scene must start in an empty deployment"
        returned = make()
        _kept[make] = _Kept(timezone.now(), _all_rows(), store_contents(), _copied(returned))
        return returned
    kept = _kept[make]
    passed = timezone.now() - kept.at
    _restore_rows(kept.rows, passed)
    _restore_store(kept.contents, passed)
    restored: Made = _copied(kept.returned)
    return restored


def _all_rows() -> Rows:
    found = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return [(model, list(model._base_manager.order_by("pk"))) for model in found]


def _restore_rows(rows: Rows, passed: timedelta) -> None:
    for model, kept in rows:
        times = [f.attname for f in model._meta.fields if isinstance(f, models.DateTimeField)]
        copies = [copy.copy(row) for row in kept]
        for row in copies:
            for name in times:
                if getattr(row, name) is not None:
                    setattr(row, name, getattr(row, name) + passed)
        model._base_manager.bulk_create(copies)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(
            no_style(), [model for model, _ in rows]
        ):
            cursor.execute(statement)


def _restore_store(contents: dict[str, tuple[bytes, float] | None], passed: timedelta) -> None:
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
    """Return a copy with rows and visitors that a test may change; middleware is not shared."""
    visitors = [one for one in vars(value).values() if isinstance(one, Visitor)] if value else []
    return copy.deepcopy(value, {id(one): _clone(one) for one in visitors})


def _clone(visitor: Visitor) -> Visitor:
    other = Visitor()
    other.uuid, other.cookies = visitor.uuid, copy.deepcopy(visitor.cookies)
    return other
