"""The pages and the code agree: events, errors, endpoints, settings, commands, links, words."""

import ast
import importlib
import json
import re
import uuid
from argparse import SUPPRESS
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from rest_framework.exceptions import APIException

from audit_app.events import registered
from maria_project import problems
from sessions_app.exceptions import CodeWrong, RateLimited, ScopeMissing, SessionMismatch
from tests import __main__ as runner
from tests import soak
from tests.cases import cases
from tests.maria_project.pages import (
    PACKAGES,
    ROOT,
    code_words,
    documented_errors,
    table_rows,
    tables,
)
from uploads_app.cleanup import stop_codes
from uploads_app.exceptions import QuotaExceeded

# Not through frontend/node_modules, which takes seconds to walk.
FRONTEND = [
    page for pattern in ("*.md", "[dst]*/**/*.md") for page in ROOT.glob(f"frontend/{pattern}")
]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *FRONTEND])
# Folders that a build makes, so a fresh clone has none of them.
BUILT = ("frontend/dist/", "frontend/demo/dist/")
# Arguments of errors whose constructors require them.
ARGUMENTS: dict[type[APIException], tuple[Any, ...]] = {
    RateLimited: ("create-60s", 1),
    SessionMismatch: (uuid.uuid4(), "MAR-7F3-K2Q-X9C"),
    QuotaExceeded: (uuid.uuid4(), "a.pdf"),
    CodeWrong: (uuid.uuid4(), 4),
    ScopeMissing: ("uploads",),
}

# Sentences that were replaced when the project's language became plain.
REPLACED = (
    "told(SessionSerializer",
    "what one caller has found out about a dead neighbour",
    "disagreement is looked at once more",
    "An alarm that nobody gets is none",
    "why it is none is not told",
    "That is no session UUID",
    "Nobody of ours will ever ask you",
    "Turned away",
    "Bytes gone",
    "Looked into",
    "Went: well",
    "Last sign of a worker",
    "Nobody can go on with this session",
    "of it cannot be used any more",
    "Every effect has its audit event",
    "the log can only grow",
    "It runs embedded",
)

every_page = cases("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_the_documented_events_are_registered() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("events.py")]
    assert modules
    for module in modules:
        importlib.import_module(".".join(module.relative_to(ROOT).with_suffix("").parts))
    documented = {
        code_words(name)[0]: (outcome, retention, sorted(code_words(details)))
        for name, outcome, retention, _, details in table_rows("docs/audit-events.md", "event")
    }
    assert documented == {
        event.name: (str(event.outcome), event.retention, sorted(event.keys))
        for event in registered()
    }


def test_the_documented_error_codes_are_those_of_the_code() -> None:
    assert documented_errors() == dict(_errors())


def test_the_documented_endpoints_are_those_of_the_urls() -> None:
    documented = [code_words(row[0])[0] for row in table_rows("docs/api.md", "verb and path")]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(_endpoints(get_resolver()))


def test_every_stop_code_has_a_text() -> None:
    raised = {*_stop_codes(), *map(stop_codes.of_database_error, _database_errors())}
    assert {*raised, stop_codes.KILLED, stop_codes.OVERDUE} == stop_codes.known().keys()


def test_the_documented_stop_codes_have_the_texts_of_the_code() -> None:
    documented = {
        code_words(code)[0]: re.sub(r"\[([^]]+)\]\([^)]+\)|`", r"\1", do)
        for code, _, do in table_rows("docs/operations.md", "stop code")
    }
    assert documented == stop_codes.known()


def test_the_documented_checks_are_those_of_the_code() -> None:
    documented = [code_words(row[0])[0] for row in table_rows("docs/operations.md", "check")]
    ids = list(_check_ids())
    assert ids
    assert sorted(documented) == sorted(ids)


def test_the_documented_options_of_the_cleanup_are_those_of_the_command() -> None:
    documented = {
        code_words(row[0])[0].split()[0] for row in table_rows("docs/operations.md", "option")
    }
    command = load_command_class("uploads_app", "cleanup_orphans")
    assert documented == _options(command) - _options(BaseCommand())


@pytest.mark.both
@pytest.mark.django_db
def test_the_documented_schedules_are_those_of_the_database() -> None:
    from django_q.models import Schedule

    documented = {
        code_words(name)[0]: every
        for name, every, _ in table_rows("docs/operations.md", "schedule")
    }
    assert documented == {
        schedule.name: f"{schedule.minutes} min" for schedule in Schedule.objects.all()
    }


def test_the_documented_settings_are_those_of_the_code() -> None:
    documented = [
        name
        for table in tables("docs/settings.md", "variable")
        for row in table
        for name in re.findall("[A-Z_]{4,}", row[0])
    ]
    assert sorted(documented) == sorted(_settings_read())


def test_the_example_file_has_the_settings_of_the_code() -> None:
    text = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    # The file cannot contain its own path.
    assert set(named) == _settings_read() - {"ENV_FILE"}
    assert len(named) == len(set(named))
    assert set(re.findall(r"\b[A-Z_]+_FILE\b", text)) - set(named) == {
        f"{name}_FILE" for name in _matches(r'\bsecret\(env, "([A-Z_]+)"')
    }


@every_page
def test_link_targets_exist(page: Path) -> None:
    dead = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        if not re.match("[a-z]+:", target) and not _exists(page, target)
    ]
    assert dead == []


@every_page
def test_commands_targets_files_and_addresses_exist(page: Path) -> None:
    code = "\n".join(code_words(page.read_text()))
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= {*targets, "help"}
    assert set(re.findall(r"\bnpm run (?:--silent )?([a-z:-]+)", code)) <= _npm_scripts()
    assert set(re.findall(r"manage\.py ([a-z_]+)", code)) <= {*get_commands(), "help"}
    roots = "|".join((*PACKAGES, "tests", "docs", "scripts", "benchmarks", "frontend"))
    files = re.findall(rf"^(?:{roots})/[\w./-]+$", code, re.MULTILINE)
    written = [name for name in files if not name.startswith(BUILT)]
    assert [name for name in written if not (ROOT / name).exists()] == []
    for name in re.findall(r"^npx vitest run (tests/\S+)$", code, re.MULTILINE):
        assert (ROOT / "frontend" / name).exists(), name
    for address in re.findall(
        r"^(?:GET )?(/(?:health|api(?!/v1)|admin)/\w[\w/]*)$", code, re.MULTILINE
    ):
        resolve(address)


@every_page
def test_named_tests_exist(page: Path) -> None:
    text = page.read_text()
    names = re.findall(r"`(test_\w+)`", text)
    assert [
        name for name in names if not any(f"def {name}(" in source for source in _tests())
    ] == []
    for folder, rows in re.findall(r"`(tests/\w+)` rows? ([\d, and]+)", text):
        assert {int(row) for row in re.findall(r"\d+", rows)} <= _rows_shown_in(folder)


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda page: page.stem
)
def test_a_decision_is_short_dated_and_lists_rejected_alternatives(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert lines[0].startswith(f"# {int(page.stem[:4])}. ")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", lines[2])
    assert "## Rejected" in lines
    assert len(lines) <= 40


def test_the_glossary_has_at_most_45_rows() -> None:
    assert len(table_rows("docs/glossary.md", "say", "for", "not")) <= 45


def test_the_readme_has_at_most_700_words() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 700


def test_the_documented_test_folders_exist() -> None:
    documented = {
        folder.removeprefix("tests/")
        for cell, _ in table_rows("docs/testing.md", "folder", "tests")
        for folder in code_words(cell)
    }
    assert documented == {
        path.name
        for path in (ROOT / "tests").iterdir()
        if path.is_dir() and not path.name.startswith("__")
    }


def test_the_documented_parts_of_the_soak_are_those_of_the_code() -> None:
    documented = {
        int(number): database
        for numbers, database, _ in table_rows("docs/testing.md", "part", "database")
        for number in numbers.split(", ")
    }
    assert documented == {number: part.database for number, part in enumerate(soak.PARTS, start=1)}


def test_the_documented_marks_are_those_of_pytest() -> None:
    rows = table_rows("docs/testing.md", "mark or fixture", "for")
    documented = {code_words(name)[0] for name, _ in rows if name.startswith("mark")}
    markers = (ROOT / "pyproject.toml").read_text().split("markers = [")[1].split("\n]")[0]
    assert documented == set(re.findall(r'^ *"(\w+):', markers, re.MULTILINE))


def test_the_documented_static_checks_are_those_of_the_runner() -> None:
    documented = [
        name
        for names, _ in table_rows("docs/testing.md", "step", "fails if")
        for name in names.split(", ")
    ]
    assert documented == [*runner.STATIC_CHECKS, "schema"]


def test_the_index_lists_every_page() -> None:
    page = ROOT / "docs" / "index.md"
    listed = set(re.findall(r"^\* \[[^]]+\]\(([\w/.-]+)\)", page.read_text(), re.MULTILINE))
    pages = {path.name for path in page.parent.glob("*.md")} - {page.name}
    assert listed == pages | {"decisions/"}


@pytest.mark.parametrize("sentence", REPLACED)
def test_no_file_has_a_replaced_sentence(sentence: str) -> None:
    assert [name for name, text in _texts().items() if sentence in text] == []


@cache
def _texts() -> dict[str, str]:
    """Return the text of each file, without line breaks and comment signs."""
    kinds = {".py", ".ts", ".tsx", ".md", ".html", ".txt", ".yaml", ".toml", ".sh", ""}
    roots = [ROOT / name for name in (*PACKAGES, "tests", "docs", "scripts", "benchmarks")]
    roots += [ROOT / "frontend" / name for name in ("src", "demo", "tests")]
    assert all(root.is_dir() for root in roots)
    paths = [
        *ROOT.glob("*"),
        *ROOT.glob("frontend/*.md"),
        *(p for r in roots for p in r.rglob("*")),
    ]
    texts = {
        str(path.relative_to(ROOT)): path.read_text()
        for path in paths
        if path.is_file()
        and path.suffix in kinds
        and path not in (Path(__file__), ROOT / "docs/glossary.md")
        and "dist" not in path.parts
    }
    return {
        name: re.sub(r"\s+(?:(?:#|\*|//) )?", " ", re.sub(r'"\n\s+f?"', "", text))
        for name, text in texts.items()
    }


def test_each_threat_has_the_tests_that_are_listed() -> None:
    documented = {
        int(row): set(code_words(where)) for row, *_, where in table_rows("docs/security.md", "row")
    }
    shown: dict[int, set[str]] = {}
    for folder in sorted(path for path in (ROOT / "tests").iterdir() if path.is_dir()):
        for row in _rows_shown_in(f"tests/{folder.name}"):
            shown.setdefault(row, set()).add(f"tests/{folder.name}")
    assert documented == shown


def _check_ids() -> Iterator[str]:
    """Yield the id of every message of a start-up check, in any module."""
    for call in _calls():
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in {"Error", "Warning"}:
            for keyword in call.keywords:
                if keyword.arg == "id" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def _errors() -> Iterator[tuple[str, tuple[int, str]]]:
    importlib.import_module("maria_project.urls")
    for error in _subclasses(APIException):
        if error.__module__.split(".")[0] in PACKAGES:
            instance = error(*ARGUMENTS.get(error, ()))
            sentence = str(instance.detail).replace("\N{NO-BREAK SPACE}", " ")
            yield str(error.default_code), (error.status_code, sentence)
    refused: dict[type[APIException], str] = dict(problems._FRAMEWORK_CODES)
    statuses = {code: error.status_code for error, code in refused.items()}
    for code, sentence in problems.SENTENCES.items():
        yield code, (statuses.get(code, 500), sentence)


def _subclasses(parent: type[APIException]) -> Iterator[type[APIException]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)


def _endpoints(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Yield `GET uploads/{id}/` for every method of every address under api/v1/."""
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _endpoints(pattern, path)
        elif isinstance(pattern, URLPattern) and path.startswith("api/v1/"):
            shown = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", path).removeprefix("api/v1/")
            shown = shown.replace("{pk}", "{id}").replace("/^", "/")
            actions: dict[str, str] = pattern.callback.actions  # type: ignore[attr-defined]
            for method in actions.keys() - {"head"}:
                yield f"{method.upper()} {shown.strip('^$')}"


def _database_errors() -> Iterator[DatabaseError]:
    yield DatabaseError("a wrong statement")
    yield OperationalError("away")
    for state in ("25006", "42703"):
        error = DatabaseError()
        error.__cause__ = psycopg.errors.lookup(state)()
        yield error


def _stop_codes() -> Iterator[str]:
    position = {"Stop": 0, "MarkerDiffers": 0, "_stop": 1}
    for call in _calls():
        name = getattr(call.func, "id", "")
        if name in position and len(call.args) > position[name]:
            code = call.args[position[name]]
            if isinstance(code, ast.Constant):
                yield str(code.value)


def _sources() -> list[Path]:
    """Return every module of every package, and manage.py."""
    found = [[*(ROOT / package).rglob("*.py")] for package in PACKAGES]
    assert all(found)
    return [ROOT / "manage.py", *(path for paths in found for path in paths)]


def _calls() -> Iterator[ast.Call]:
    for source in _sources():
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                yield node


def _options(command: BaseCommand) -> set[str]:
    parser = command.create_parser("manage.py", "command")
    shown = [action for action in parser._actions if action.help != SUPPRESS]
    return {name for action in shown for name in action.option_strings}


def _settings_read() -> set[str]:
    """Return every variable of the environment that the product reads."""
    by_way = [
        _matches(r'\benv\.\w+\(\s*"([A-Z_]+)"'),
        _matches(r'\bsecret\(env, "([A-Z_]+)"'),
        _matches(r'\bos\.environ(?:\.get\(|\[)"([A-Z_]+)"'),
    ]
    assert all(by_way)
    return set().union(*by_way)


def _npm_scripts() -> set[str]:
    return set(json.loads((ROOT / "frontend/package.json").read_text())["scripts"])


def _matches(pattern: str) -> set[str]:
    return {name for path in _sources() for name in re.findall(pattern, path.read_text())}


def _exists(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not anchor:
        return found.exists()
    headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
    return anchor in {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
    }


def _tests() -> list[str]:
    return [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]


def _rows_shown_in(folder: str) -> set[int]:
    """Return the rows of the list of threats that a folder's tests have in their names."""
    sources = [path.read_text() for path in (ROOT / folder).rglob("test_*.py")]
    return {int(row) for text in sources for row in re.findall(r"def test_t(\d+)_", text)}
