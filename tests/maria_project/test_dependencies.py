"""docs/dependencies.md lists the npm packages that are pinned back, and dependabot.yml ignores them."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PINNED: dict[str, str] = json.loads((ROOT / "frontend/package.json").read_text())["devDependencies"]


def pinned_below() -> dict[str, str]:
    """Return the version at which each package is pinned."""
    rows = re.findall(
        r"^\| (`.+?) \| ([\d.]+) \| ([\d.]+) \|",
        (ROOT / "docs/dependencies.md").read_text(),
        re.MULTILINE,
    )
    return {
        name: pinned
        for names, pinned, newest in rows
        for name in re.findall("`(.+?)`", names)
        if pinned != newest
    }


def test_the_packages_are_at_the_versions_of_the_table() -> None:
    pinned = pinned_below()
    assert pinned
    for name, version in pinned.items():
        assert f"{PINNED[name]}.".startswith(f"{version}."), name


def test_the_update_configuration_ignores_them() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    (npm,) = [update for update in updates if update["package-ecosystem"] == "npm"]
    assert {rule["dependency-name"] for rule in npm["ignore"]} == pinned_below().keys()
