"""Helm accepts and renders the chart, and Kubernetes knows every field of its objects."""

import json
from typing import Any

import pytest

from tests.deploy.tools import run_tool
from tests.maria_project.pages import ROOT

CHART = ROOT / "deploy" / "helm" / "maria"
SCRIPT = """
import json, sys
import kubernetes_validate, yaml
from helm_python import chart
report = chart.lint(sys.argv[1], strict=True)
rendered = chart.Chart.load(sys.argv[1]).render(name="one")
objects = [each for text in rendered.values() for each in yaml.safe_load_all(text) if each]
for each in objects:
    kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
print(json.dumps({"errors": report["errors"], "objects": objects}))
"""


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    done = run_tool("python", "-c", SCRIPT, str(CHART))
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def pods(rendered: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the specification of each pod, by the name of its object."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in rendered["objects"]
        if each["kind"] in ("Deployment", "Job")
    }


def test_helm_finds_no_fault(rendered: dict[str, Any]) -> None:
    assert rendered["errors"] == []
    assert sorted(each["kind"] for each in rendered["objects"]) == [
        "ConfigMap", "Deployment", "Deployment", "Ingress", "Job", "PodDisruptionBudget",
        "PodDisruptionBudget", "Service",
    ]  # fmt: skip


def test_each_container_is_bounded_and_has_no_rights(rendered: dict[str, Any]) -> None:
    for name, pod in pods(rendered).items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["resources"].keys() == {"requests", "limits"}, name


def test_web_pods_are_probed_and_have_time_to_leave(rendered: dict[str, Any]) -> None:
    web = pods(rendered)["one-web"]
    (container,) = web["containers"]
    probes = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert probes == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    host = container["readinessProbe"]["httpGet"]["httpHeaders"][0]["value"]
    assert host == "maria.example.com"
    assert web["terminationGracePeriodSeconds"] >= 15 + 40


def test_the_settings_of_the_chart_are_documented(rendered: dict[str, Any]) -> None:
    (settings,) = [each["data"] for each in rendered["objects"] if each["kind"] == "ConfigMap"]
    documented = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in settings if f"`{name}`" not in documented] == []
