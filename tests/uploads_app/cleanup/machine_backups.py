"""Backups of the database inside one transaction, for the cleanup's state machine.

A savepoint is a backup until an older one is restored, which ends it. So a newer
backup also holds its rows: they replace those of the older one.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import models, transaction

from audit_app.models import AuditLog
from uploads_app.models import StoreState

Rows = list[tuple[type[models.Model], list[models.Model]]]


def _all_rows() -> Rows:
    found = [
        model
        for app in ("sessions_app", "uploads_app", "audit_app")
        for model in apps.get_app_config(app).get_models()
    ]
    return [(model, list(model._base_manager.order_by("pk"))) for model in found]


@dataclass(frozen=True)
class MachineBackup:
    """One backup: a savepoint, the rows of every table, and the machine's time."""

    at: timedelta
    savepoint: str = field(default_factory=transaction.savepoint)
    rows: Rows = field(default_factory=_all_rows)
    generation: int = field(default_factory=lambda: StoreState.objects.get().generation)


class MachineBackups:
    """The last two backups, oldest first."""

    def __init__(self) -> None:
        self._kept: list[MachineBackup] = []
        self._ended: list[MachineBackup] = []

    def add(self, at: timedelta) -> None:
        self._kept = [*self._kept, MachineBackup(at)][-2:]
        self._ended = []

    def behind(self, generation: int) -> list[MachineBackup]:
        """Return the backups that the store is ahead of."""
        return [b for b in (*self._kept, *self._ended) if b.generation < generation]

    def restore(self, backup: MachineBackup) -> None:
        if backup in self._kept:
            transaction.savepoint_rollback(backup.savepoint)
            number = self._kept.index(backup) + 1
            self._kept, ended = self._kept[:number], self._kept[number:]
            self._ended = ended or self._ended
        else:
            transaction.savepoint_rollback(self._kept[-1].savepoint)
            _load(backup.rows)


def _load(rows: Rows) -> None:
    """Replace the rows of every table; the log is append-only, and is only continued."""
    for model, _ in rows:
        if model is not AuditLog:
            manager: Any = model._base_manager
            manager.all()._raw_delete("default")
    for model, wanted in rows:
        present = set(model._base_manager.values_list("pk", flat=True))
        model._base_manager.bulk_create([row for row in wanted if row.pk not in present])
