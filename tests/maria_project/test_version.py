"""The product has one version: that of pyproject.toml."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from maria_project.version import VERSION

ROOT = Path(__file__).resolve().parent.parent.parent


def read_json(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / name).read_text()))


def test_the_version_has_three_numbers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_npm_package_has_the_version() -> None:
    lock = read_json("frontend/package-lock.json")
    assert read_json("frontend/package.json")["version"] == VERSION
    assert {lock["version"], lock["packages"][""]["version"]} == {VERSION}


def test_the_api_description_has_the_version() -> None:
    document = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    assert document["info"]["version"] == VERSION


def test_the_changelog_starts_with_the_version() -> None:
    _, newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ", 1)
    assert newest.split()[0] == VERSION


def test_the_served_api_description_has_the_version() -> None:
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == VERSION
