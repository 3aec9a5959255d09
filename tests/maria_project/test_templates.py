"""Templates, tag libraries and static files point downward only, like the imports.

import-linter checks the layers of Python modules. Templates name each other by
strings, which it does not see.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from django.apps import apps
from django.template.backends.django import get_installed_libraries
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parents[2]
_EXTENDS = re.compile(r"""{%\s*(?:extends|include)\s+["']([^"']+)["']""")
_STATIC = re.compile(r"""{%\s*static\s+["']([^"']+)["']""")
_LOAD = re.compile(r"{%\s*load\s+(.+?)\s*%}")


@dataclass(frozen=True)
class App:
    """The files of one app that templates and code can name."""

    name: str
    path: Path
    templates: set[str] = field(default_factory=set)
    statics: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)

    def provides(self, kind: str) -> set[str]:
        names: set[str] = getattr(self, kind)
        return names


def read_app(path: Path) -> App:
    def below(folder: str) -> set[str]:
        files = (path / folder).rglob("*")
        return {str(file.relative_to(path / folder)) for file in files if file.is_file()}

    libraries = {name.removesuffix(".py") for name in below("templatetags") if name.endswith(".py")}
    return App(path.name, path, below("templates"), below("static"), libraries - {"__init__"})


def layers(root: Path = ROOT) -> list[str]:
    """Return the packages from the lowest to the highest, as import-linter has them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    first = next(one for one in contracts["contracts"] if "containers" not in one)
    return [str(name) for name in reversed(first["layers"])]


def names_in_template(text: str) -> Iterator[tuple[str, str]]:
    yield from (("templates", name) for name in _EXTENDS.findall(text))
    yield from (("statics", name) for name in _STATIC.findall(text))
    for loaded in _LOAD.findall(text):
        words = loaded.split()
        yield from (("libraries", word) for word in (words[-1:] if "from" in words else words))


def names_in_code(text: str, known: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield each string that is the name of a file, and each f-string that begins a template's."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((kind, node.value) for kind in known if node.value in known[kind])
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            start = str(node.values[0].value)
            if "/" in start:
                matching = (name for name in sorted(known["templates"]) if name.startswith(start))
                yield from (("templates", name) for name in matching)


def named_by(app: App, known: Mapping[str, set[str]]) -> Iterator[tuple[Path, str, str]]:
    for name in sorted(app.templates):
        file = app.path / "templates" / name
        yield from ((file, *found) for found in names_in_template(file.read_text()))
    for file in sorted(app.path.rglob("*.py")):
        yield from ((file, *found) for found in names_in_code(file.read_text(), known))


def unresolved(ordered: list[App], elsewhere: App) -> list[str]:
    """Return the names that are in neither the app, an app below nor a library."""
    everything = [*ordered, elsewhere]
    known = {
        kind: set().union(*(app.provides(kind) for app in everything))
        for kind in ("templates", "statics")
    }
    return [
        f"{file.relative_to(app.path.parent)}: {kind} {name}"
        for rank, app in enumerate(ordered, 1)
        for file, kind, name in named_by(app, known)
        if not any(name in one.provides(kind) for one in [*ordered[:rank], elsewhere])
    ]


def installed_elsewhere(ours: list[str]) -> App:
    """Return the files of Django and the other installed libraries as one app."""
    libraries = {
        name
        for name, module in get_installed_libraries().items()
        if module.partition(".")[0] not in ours
    }
    found = App("libraries", ROOT, libraries=libraries)
    for config in apps.get_app_configs():
        if config.name.partition(".")[0] not in ours:
            one = read_app(Path(config.path))
            found.templates.update(one.templates)
            found.statics.update(one.statics)
    return found


def foreign_folders(app: App) -> list[str]:
    """Return the templates in a folder `<app>/<model>` of a model of another app."""
    owners = {
        (model._meta.app_label, str(model._meta.model_name)): model.__module__.partition(".")[0]
        for model in apps.get_models()
    }
    return [
        name
        for name in sorted(app.templates)
        for pair in pairwise(Path(name).parent.parts)
        if owners.get(pair, app.name) != app.name
    ]


@pytest.fixture(scope="module")
def ordered() -> list[App]:
    return [read_app(ROOT / name) for name in layers()]


def test_no_app_names_a_file_of_a_layer_above(ordered: list[App]) -> None:
    assert unresolved(ordered, installed_elsewhere(layers())) == []


def test_no_app_has_templates_of_another_apps_model(ordered: list[App]) -> None:
    assert {app.name: found for app in ordered if (found := foreign_folders(app))} == {}


def test_the_layers_are_those_of_import_linter() -> None:
    assert (layers()[0], layers()[-1]) == ("common", "maria_project")


UPWARD = [
    ("templates/low/page.html", '{% extends "high/base.html" %}'),
    ("templates/low/page.html", "{% include 'high/base.html' with x=1 %}"),
    ("templates/low/page.html", "{% load low_tags high_tags %}"),
    ("templates/low/page.html", "{% load one_tag from high_tags %}"),
    ("templates/low/page.html", "{% static 'high/style.css' %}"),
    ("templates/low/page.html", '{% extends "nowhere.html" %}'),
    ("views.py", 'TEMPLATE = "high/base.html"'),
    ("views.py", 'def page(kind):\n    return f"high/{kind}.html"'),
]


@pytest.mark.parametrize(("name", "text"), UPWARD)
def test_a_name_of_a_layer_above_is_found(tmp_path: Path, name: str, text: str) -> None:
    planted = {
        "low/templates/low/own.html": '{% extends "high/both.html" %}',
        "low/templates/high/both.html": "",
        "low/templatetags/low_tags.py": "",
        "high/templates/high/base.html": '{% include "low/own.html" %}',
        "high/templates/high/both.html": "",
        "high/templatetags/high_tags.py": "",
        "high/static/high/style.css": "",
    }
    for path, content in planted.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    two = [tmp_path / "low", tmp_path / "high"]
    assert unresolved([read_app(path) for path in two], App("libraries", tmp_path)) == []
    (tmp_path / "low" / name).write_text(text)
    found = unresolved([read_app(path) for path in two], App("libraries", tmp_path))
    assert [line.partition(":")[0] for line in found] == [f"low/{name}"]


def test_a_template_of_another_apps_model_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "audit_app" / "templates" / "admin" / "sessions_app" / "usersession"
    folder.mkdir(parents=True)
    (folder / "change_form.html").touch()
    found = foreign_folders(read_app(tmp_path / "audit_app"))
    assert found == ["admin/sessions_app/usersession/change_form.html"]


def test_every_template_compiles(ordered: list[App]) -> None:
    names = sorted(name for app in ordered for name in app.templates)
    assert len(names) > 40
    for name in names:
        get_template(name)
