"""hadolint accepts the Dockerfile, and Compose the deployment in containers."""

import json
import re
import subprocess
from typing import Any

import pytest
from django.core.management import get_commands

from tests.deploy.tools import run_tool
from tests.maria_project.pages import PACKAGES, ROOT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    done = run_tool("docker-compose", "-f", "deploy/compose.yaml", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_hadolint_finds_nothing() -> None:
    done = run_tool("hadolint", "deploy/Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_every_package() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE)
    assert sorted(copied) == sorted(PACKAGES)


def test_the_product_has_no_rights_and_no_writable_folder_but_its_own(
    services: dict[str, Any],
) -> None:
    for name in ("web", "worker", "migrate"):
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert [volume["target"] for volume in service["volumes"]] == ["/var/lib/maria"], name
        assert (service["command"] or ["serve"])[0] in get_commands(), name


def test_two_of_each_start_after_the_migrations(services: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        assert services[name]["deploy"]["replicas"] == 2
        needed = services[name]["depends_on"]["migrate"]["condition"]
        assert needed == "service_completed_successfully"


def test_the_commands_of_the_page_parse() -> None:
    page = (ROOT / "docs" / "containers.md").read_text()
    scripts = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert scripts
    for script in scripts:
        done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, ""), script


def test_every_secret_of_compose_is_made_by_the_page(services: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "containers.md").read_text()
    made = set(re.findall(r" > ([\w.]+)$", page, re.MULTILINE))
    used = {each["source"] for one in services.values() for each in one.get("secrets", [])}
    assert used <= made
