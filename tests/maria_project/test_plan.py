"""The architecture page: its tables list what the code has, and its sentences about deletion hold."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import get_commands
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException

import sessions_app.services
import uploads_app.services
from audit_app.events import EventType, registered
from sessions_app.models import SessionStatus, UserSession
from tests.helpers import age_path, events, plant, started, store_root, stored_keys
from tests.maria_project.pages import PACKAGES, ROOT, code_words, table_rows, tables
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    cleanup,
    closed_with_object,
    new_key,
    of_session_ended,
    orphan,
    pending,
    remove_object,
    restore,
    settled,
    stored,
    trashed_object,
)
from uploads_app.models import (
    IN_QUOTA,
    VISIBLE,
    QuarantinedObject,
    TrashStatus,
    UploadedFile,
    UploadStatus,
)

PAGE = "docs/plan.md"
MINUTE = timedelta(minutes=1)
# The times in the sentences of the page.
GRACE = 30 * MINUTE
WEEK = 7 * DAY
# Calls that compare a status and do not set it.
READS = {"filter", "exclude", "get", "Q", "When", "Index", "CheckConstraint", "UniqueConstraint"}


def test_the_page_is_short() -> None:
    assert len((ROOT / PAGE).read_text().splitlines()) <= 200


def test_the_modules_outside_the_shape_of_an_app_are_listed() -> None:
    shape = {
        name.removesuffix(".py")
        for (name_cell, *_) in table_rows(PAGE, "file", "content")
        for name in code_words(name_cell)
    }
    documented = [
        f"{code_words(package)[0]}.{module}"
        for package, modules, _ in table_rows(PAGE, "package", "modules", "content")
        for module in code_words(modules)
    ]
    found = {name for package in PACKAGES for name in _modules(ROOT / package)}
    extra = {name for name in found if name.rpartition(".")[2] not in shape}
    assert len(documented) == len(set(documented))
    assert set(documented) == extra
    assert {name.partition(".")[0] for name in extra} == set(PACKAGES)


def test_the_layers_are_those_that_are_checked() -> None:
    picture = (ROOT / PAGE).read_text().split("```")[1]
    layers = re.findall(r"^(\w+) {2,}", picture, re.MULTILINE)
    contract = (ROOT / "pyproject.toml").read_text().split('type = "layers"')[1]
    assert layers == re.findall(r'"(\w+)"', contract.split("layers = ")[1].split("]")[0])
    assert sorted(layers) == sorted(PACKAGES)


def test_the_folders_are_those_of_the_repository() -> None:
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith((".", "__")) and path.name not in ignored
    }
    documented = [
        name for (cell, _) in table_rows(PAGE, "folder", "content") for name in code_words(cell)
    ]
    frontend = {
        str(path.relative_to(ROOT)) for path in (ROOT / "frontend/src").iterdir() if path.is_dir()
    }
    assert frontend
    assert set(documented) == folders - set(PACKAGES) | frontend


def test_the_commands_are_those_of_the_packages() -> None:
    documented = {
        name: code_words(package)[0]
        for cell, package, _ in table_rows(PAGE, "command", "package", "does")
        for name in code_words(cell)
    }
    assert documented == {
        name: package
        for name, package in get_commands().items()
        if package.partition(".")[0] in PACKAGES
    }


@pytest.mark.both
@pytest.mark.django_db
def test_the_schedules_are_those_that_are_created() -> None:
    from django_q.models import Schedule

    documented = {
        code_words(name)[0]: (int(minutes), code_words(task)[0])
        for name, minutes, task in table_rows(PAGE, "schedule", "minutes", "task")
    }
    assert documented == {
        schedule.name: (schedule.minutes, schedule.func) for schedule in Schedule.objects.all()
    }


def test_the_numbers_of_events_are_those_of_the_modules() -> None:
    documented = {
        code_words(module)[0]: int(number)
        for module, number, _ in table_rows(PAGE, "module", "events", "about")
    }
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("events.py")
    ]
    assert documented == {name: _events_in(name) for name in modules}
    assert sum(documented.values()) == len(registered())


def test_the_names_of_events_are_registered() -> None:
    names = {event.name for event in registered()}
    prefixes = {name.partition(".")[0] for name in names}
    written = {
        word
        for word in code_words((ROOT / PAGE).read_text())
        if re.fullmatch(r"[a-z]+\.[a-z_]+", word) and word.partition(".")[0] in prefixes
    }
    assert written
    assert written <= names


def test_the_session_states_are_those_of_the_code() -> None:
    rows = {code_words(status)[0]: before for status, before, *_ in _session_rows()}
    assert list(rows) == SessionStatus.values
    # No code sets `active`: it is the status of a new row only.
    assert _targets("SessionStatus", "sessions_app") == {name for name in rows if rows[name]}


def _session_rows() -> list[list[str]]:
    return table_rows(PAGE, "status", "from", "set by", "event")


@pytest.mark.django_db
def test_the_transitions_of_a_session_are_those_that_services_make() -> None:
    visitor = started()
    session = UserSession.objects.get(pk=visitor.uuid)
    observed = _observed(session, {}, visitor.reset)
    functions = list(_services_of(sessions_app.services, "session"))
    assert len(functions) > 10
    for function, arguments in functions:
        for status in SessionStatus:
            for until in (-HOUR, HOUR):
                ended = None if status == SessionStatus.ACTIVE else timezone.now()
                values = {"expires_at": timezone.now() + until, "ended_at": ended}
                observed |= _observed(session, {"status": status, **values}, function, arguments)
    assert observed == _documented(_session_rows())


def _documented(rows: list[list[str]]) -> set[tuple[str, str]]:
    return {
        (before, code_words(status)[0]) for status, cell, *_ in rows for before in code_words(cell)
    }


def test_the_upload_states_are_those_of_the_code() -> None:
    rows = {
        code_words(status)[0]: (code_words(before), quota, visible)
        for status, before, _, quota, visible in _upload_rows()
    }
    assert sorted(rows) == sorted(UploadStatus.values)
    assert {name for name, row in rows.items() if row[1] == "yes"} == set(IN_QUOTA)
    assert {name for name, row in rows.items() if row[2] == "yes"} == set(VISIBLE)
    assert {before for row in rows.values() for before in row[0]} <= set(UploadStatus.values)
    # No code sets `pending`: it is the status of a new row only.
    assert _targets("UploadStatus", "uploads_app") == {name for name, row in rows.items() if row[0]}


def _upload_rows() -> list[list[str]]:
    return table_rows(PAGE, "status", "from", "event")


@pytest.mark.django_db
def test_the_transitions_of_an_upload_are_those_that_services_make() -> None:
    upload = stored()
    content = (store_root() / upload.key).read_bytes()
    observed: set[tuple[str, str]] = set()
    functions = list(_services_of(uploads_app.services, "upload"))
    assert len(functions) > 10
    for function, arguments in functions:
        for status in UploadStatus:
            plant(upload.key, content, age=HOUR)
            values = {"inspection": "waiting", "lease_expires_at": timezone.now() - HOUR}
            observed |= _observed(upload, {"status": status, **values}, function, arguments)
    assert observed == _documented(_upload_rows())


# Arguments for the services, beside the row itself.
ARGUMENTS: dict[str, Any] = {
    "reason": "visitor",
    "code": "file_empty",
    "verdict": "clean",
    "days": 1,
    "seconds": 1,
    "among": (),
}


def _services_of(package: ModuleType, row: str) -> Iterator[tuple[Callable[..., Any], list[str]]]:
    """Yield each public service that takes a row, alone or in a list, and its other arguments.

    A service that needs more than ARGUMENTS is left out: it stores bytes, or relates two rows.
    """
    names = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
    for module in [package, *map(importlib.import_module, names)]:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            parameters = inspect.signature(function).parameters.values()
            needed = {p.name for p in parameters if p.default is p.empty} - {row, f"{row}s"}
            takes_row = {row, f"{row}s"} & {p.name for p in parameters}
            is_own = function.__module__ == module.__name__ and not name.startswith("_")
            if is_own and takes_row and needed <= ARGUMENTS.keys():
                yield function, [*takes_row, *needed]


def _observed(
    row: UploadedFile | UserSession,
    values: dict[str, Any],
    function: Callable[..., Any],
    names: Sequence[str] = (),
) -> set[tuple[str, str]]:
    """Give a row some values, call a function, and return the changes of status that it made."""
    model = type(row)
    with transaction.atomic(), connection.cursor() as cursor:
        model._base_manager.filter(pk=row.pk).update(**{"status": row.status, **values})
        fresh = model._base_manager.get(pk=row.pk)
        cursor.execute("CREATE TEMP TABLE seen (before TEXT, after TEXT)")
        cursor.execute(
            f"CREATE TEMP TRIGGER note AFTER UPDATE OF status ON main.{model._meta.db_table} "
            "WHEN OLD.status <> NEW.status "
            "BEGIN INSERT INTO seen VALUES (OLD.status, NEW.status); END"
        )
        given: dict[str, Any] = {
            "upload": fresh,
            "uploads": [fresh],
            "session": fresh,
            "sessions": [fresh],
            **ARGUMENTS,
            "among": _among(function, fresh),
        }
        with suppress(APIException, OSError), transaction.atomic():
            function(**{name: given[name] for name in names})
        cursor.execute("SELECT before, after FROM seen")
        seen = set(cursor.fetchall())
        transaction.set_rollback(True)
    return seen


def _among(function: Callable[..., Any], row: UploadedFile | UserSession) -> Any:
    """Return the rows that the cleanup and the admin allow a service to change."""
    if isinstance(row, UserSession):
        return [row]
    is_lapse = function.__name__.startswith("lapse")
    return UploadedFile.objects.filter(status__in=["pending"] if is_lapse else VISIBLE)


def test_the_trash_states_are_those_of_the_code() -> None:
    documented = [
        name for status, _ in table_rows(PAGE, "status", "meaning") for name in code_words(status)
    ]
    assert sorted(documented) == sorted(TrashStatus.values)


# What the cleanup deletes: a function for each sentence of the page. The page and this module
# must have the same sentences, so a sentence without a proof fails.
def _young_orphan_stays() -> None:
    key = orphan(GRACE - MINUTE)
    settled()
    assert (store_root() / key).exists()


def _in_trash(key: str) -> Path:
    # The names in a store are a contract, so they are repeated here and not imported.
    return store_root() / "quarantine" / key


def _old_orphan_goes_to_the_trash() -> None:
    key = orphan(GRACE + MINUTE)
    settled()
    assert not (store_root() / key).exists()
    assert _in_trash(key).exists()


def _orphan_can_be_restored() -> None:
    key = trashed_object()
    assert restore(key).exit_code == 0
    age_path(store_root() / key, 100 * DAY)
    settled()
    assert (store_root() / key).exists()


def _trash_is_purged_after_its_retention() -> None:
    kept = trashed_object(WEEK - MINUTE)
    purged = trashed_object(WEEK + MINUTE)
    settled()
    assert _in_trash(kept).exists()
    assert not _in_trash(purged).exists()


def _late_object_goes_to_the_trash() -> None:
    young = closed_with_object(GRACE - MINUTE)
    old = closed_with_object(GRACE + MINUTE)
    settled()
    assert (store_root() / young.key).exists()
    assert not (store_root() / old.key).exists()
    assert _in_trash(old.key).exists()


def _claimed_object_returns() -> None:
    upload = stored()
    rows = list(UploadedFile.objects.filter(pk=upload.pk))
    UploadedFile.objects.filter(pk=upload.pk)._raw_delete("default")
    settled()
    assert _in_trash(upload.key).exists()
    UploadedFile.objects.bulk_create(rows)
    QuarantinedObject.objects.update(quarantined_at=timezone.now() - WEEK - MINUTE)
    settled()
    assert (store_root() / upload.key).exists()


def _arrived_upload_is_stored() -> None:
    upload = pending(-MINUTE, has_object=True)
    settled()
    upload.refresh_from_db()
    assert upload.status == UploadStatus.STORED


def _file_of_a_live_session_stays() -> None:
    upload = stored(1000 * DAY)
    settled()
    assert (store_root() / upload.key).exists()
    assert _status(upload) == "stored"


def _file_is_deleted_after_its_retention() -> None:
    kept = of_session_ended(WEEK - MINUTE)
    deleted = of_session_ended(WEEK + MINUTE)
    settled()
    assert (_status(kept), _status(deleted)) == ("stored", "deleted")
    assert kept.key in stored_keys()
    assert deleted.key not in stored_keys()


def _missing_and_found() -> None:
    upload = stored()
    content = (store_root() / upload.key).read_bytes()
    remove_object(upload)
    settled()
    assert _status(upload) == "missing"
    (store_root() / upload.key).parent.mkdir()
    (store_root() / upload.key).write_bytes(content)
    settled()
    assert _status(upload) == "stored"
    assert events(str(upload.session_id))[-2:] == ["upload.missing", "upload.found"]


def _unknown_key_stays() -> None:
    path = store_root() / new_key()
    path = path.with_name("notes.txt")
    path.parent.mkdir(parents=True)
    path.write_text("notes")
    age_path(path, 100 * DAY)
    assert "unknown keys left alone" in settled("--json").found
    assert path.exists()


def _failed_check_stops_the_run() -> None:
    keys = {orphan(HOUR), of_session_ended(100 * DAY).key}
    before = stored_keys()
    assert keys <= before
    (store_root() / "marker.json").unlink()
    assert cleanup().exit_code == 3
    assert stored_keys() == before


PROOFS: dict[str, Callable[[], None]] = {
    "An object without a row is left alone for the grace period (`CLEANUP_GRACE`, 30 minutes).":
        _young_orphan_stays,
    "After the grace period an object without a row is moved to the trash.":
        _old_orphan_goes_to_the_trash,
    "`manage.py restore_orphans` restores an object from the trash, and later runs leave it alone.":
        _orphan_can_be_restored,
    "An object that was in the trash for `TRASH_RETENTION` (7 days) is purged.":
        _trash_is_purged_after_its_retention,
    "An object under the key of a closed file is moved to the trash after the grace period.":
        _late_object_goes_to_the_trash,
    "An object in the trash whose key a file claims is moved back, and never purged.":
        _claimed_object_returns,
    "A lapsed upload whose object is whole becomes `stored`.": _arrived_upload_is_stored,
    "A file of a live session is never deleted, even if it is old.":
        _file_of_a_live_session_stays,
    "A file is deleted when its session has been over for `UPLOAD_RETENTION` (7 days).":
        _file_is_deleted_after_its_retention,
    "A `stored` row without an object becomes `missing`, and `stored` again when the object is back.":
        _missing_and_found,
    "An object with a key of another form is reported and left alone.":
        _unknown_key_stays,
    "If a check before or after the scan fails, the run stops: nothing is deleted or moved.":
        _failed_check_stops_the_run,
}  # fmt: skip


def test_every_sentence_about_deletion_has_a_proof() -> None:
    section = (ROOT / PAGE).read_text().split("What it deletes:")[1]
    assert re.findall(r"^\* (.+)$", section, re.MULTILINE) == list(PROOFS)


def test_the_times_in_the_sentences_are_the_defaults_of_the_settings() -> None:
    defaults = {
        code_words(name)[0]: code_words(default)
        for table in tables("docs/settings.md", "variable", "default")
        for name, default, _ in table
        if len(code_words(name)) == 1
    }
    written = re.findall(r"`([A-Z_]+)`(?:,)? \(?(\d+) (minute|day)s", "\n".join(PROOFS))
    assert len(written) == 3
    for name, number, unit in written:
        assert defaults[name] == [f"{number}{unit[0]}"]


@pytest.mark.django_db
@pytest.mark.parametrize("sentence", PROOFS)
def test_the_cleanup_does_what_the_page_says(sentence: str) -> None:
    live = stored()  # so that store and database belong together
    assert sentence in (ROOT / PAGE).read_text()
    PROOFS[sentence]()
    assert _status(live) == "stored"


def _status(upload: UploadedFile) -> str:
    return UploadedFile.objects.get(pk=upload.pk).status


def _modules(package: Path) -> Iterator[str]:
    """Yield the top-level modules of a package, and its sub-packages at any depth."""
    for path in package.glob("[!_]*.py"):
        yield f"{package.name}.{path.stem}"
    for path in package.rglob("__init__.py"):
        parts = path.parent.relative_to(package).parts
        if parts and not {"management", "migrations", "formats"} & set(parts[:-1]):
            yield f"{package.name}.{'.'.join(parts)}"


def _events_in(module: str) -> int:
    values = vars(importlib.import_module(module)).values()
    return sum(isinstance(value, EventType) for value in values)


def _targets(enum: str, package: str) -> set[str]:
    """Return the statuses that code of a package sets, by AST; one that is compared is left out."""
    found: set[str] = set()
    for source in (ROOT / package).rglob("*.py"):
        if not {"migrations", "models", "models.py"} & set(source.parts):
            for node in ast.walk(ast.parse(source.read_text())):
                found |= {_member(value, enum) for value in _written(node)}
    return {name.lower() for name in found - {""}}


def _written(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name not in READS:
            yield from node.args
            yield from (keyword.value for keyword in node.keywords)
        case ast.Dict():
            yield from node.values
        case ast.Assign(value=ast.Tuple(elts=values)):
            yield from values
        case ast.Assign(value=value):
            yield value


def _member(value: Any, enum: str) -> str:
    match value:
        case ast.Attribute(value=ast.Name(id=name), attr=member) if name == enum:
            return member
    return ""
