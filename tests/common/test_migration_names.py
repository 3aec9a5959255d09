"""The names of migrations say what Django's loader says, which imports them."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from common import migration_names
from maria_project.health.parts import is_migrated


def test_the_names_are_those_of_the_loader() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    assert migration_names.in_code() == set(loader.disk_migrations or ())
    assert migration_names.newest() == dict(loader.graph.leaf_nodes())


@pytest.mark.both
@pytest.mark.django_db
def test_a_migration_is_pending_until_it_is_recorded() -> None:
    newest = "audit_app", migration_names.newest()["audit_app"]
    found = [is_migrated()]
    MigrationRecorder(connection).record_unapplied(*newest)
    found.append(is_migrated())
    MigrationRecorder(connection).record_applied(*newest)
    assert [*found, is_migrated()] == [True, False, True]


@pytest.mark.django_db
def test_a_migration_that_replaces_others_needs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    names = frozenset({("audit_app", "0001_squashed")})
    monkeypatch.setattr(migration_names, "in_code", lambda: names)
    assert (migration_names.are_recorded(), is_migrated()) == (False, True)
