"""Migrations that have landed do not change, and new ones do not let visitors wait."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.migrations import operations as django_operations
from django.db.migrations.loader import MigrationLoader

from common import online_migrations
from scripts import check_migrations
from tests.maria_project.pages import PACKAGES, ROOT

# The newest migration of each app that is older than the rule.
BEFORE_THE_RULE = {
    "accounts": "0001",
    "audit_app": "0001",
    "backoffice_app": "0002",
    "sessions_app": "0004",
    "uploads_app": "0006",
}
CONCURRENT = (
    online_migrations.AddIndexOnline,
    online_migrations.RemoveIndexOnline,
    online_migrations.ReplaceIndexOnline,
    online_migrations.DropFieldIndexOnline,
)
ONLINE = (
    *CONCURRENT,
    django_operations.CreateModel,
    django_operations.AlterModelOptions,
    django_operations.AlterModelManagers,
)


def test_new_migrations_use_only_online_operations() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    ours = {
        key: one
        for key, one in loader.disk_migrations.items()
        if one.__module__.split(".")[0] in PACKAGES
    }
    assert {app for app, _ in ours} == BEFORE_THE_RULE.keys()
    new = {key: one for key, one in ours.items() if key[1][:4] > BEFORE_THE_RULE[key[0]]}
    assert new
    refused = [(key, operation) for key, one in new.items() for operation in blocking(one)]
    assert refused == []


def blocking(migration: Any) -> Iterator[str]:
    """Yield the operations of a migration that the table of docs/upgrading.md does not allow."""
    for operation in _on_database(migration.operations):
        is_allowed = isinstance(operation, ONLINE) or _adds_an_optional_column(operation)
        if not is_allowed or (isinstance(operation, CONCURRENT) and migration.atomic):
            yield operation.describe()


def _on_database(operations: Any) -> Iterator[Any]:
    for operation in operations:
        if isinstance(operation, django_operations.SeparateDatabaseAndState):
            yield from operation.database_operations
        else:
            yield operation


def _adds_an_optional_column(operation: Any) -> bool:
    if not isinstance(operation, django_operations.AddField):
        return False
    field: Any = operation.field
    is_plain = not (field.unique or field.db_index or field.is_relation)
    return is_plain and (field.null or field.has_db_default())


def test_a_landed_migration_cannot_be_changed_or_removed(tmp_path: Path) -> None:
    folder = tmp_path / "an_app" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    first, second = folder / "0001_initial.py", folder / "0002_more.py"
    first.write_text("one")
    second.write_text("two")
    assert "0001_initial.py is new" in check(tmp_path)
    assert "as it landed" in check(tmp_path, "--add")
    second.write_text("three")
    assert "0002_more.py has landed and was changed" in check(tmp_path, "--add")
    second.unlink()
    assert "0002_more.py has landed and is missing" in check(tmp_path)


def check(folder: Path, *arguments: str) -> str:
    script = str(ROOT / "scripts" / "check_migrations.py")
    command = [sys.executable, script, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_every_migration_is_listed() -> None:
    assert check_migrations.found(ROOT).keys() == check_migrations.landed(ROOT).keys()


def test_the_previous_version_is_a_commit_of_this_repository() -> None:
    commit = (ROOT / "scripts" / "previous_version").read_text().strip()
    if not (ROOT / ".git").exists() or (ROOT / ".git" / "shallow").exists():
        pytest.skip("this is no clone, or one without its history")
    command = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
