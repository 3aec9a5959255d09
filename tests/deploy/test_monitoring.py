"""The alerts of deploy/prometheus and the dashboard of deploy/grafana fit the product's figures."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.maria_project.pages import ROOT
from tests.need import need

FOLDER = ROOT / "deploy" / "prometheus"
PROMTOOL = "prometheus, or unpack that package: promtool needs nothing else of it"


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)$", (FOLDER / "alerts.yml").read_text(), re.MULTILINE)


def served() -> set[str]:
    """Return the figures of docs/operations.md, which a test compares with /metrics."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return set(re.findall(r"^\| `(maria_\w+)[`{]", text, re.MULTILINE))


def queries() -> Iterator[str]:
    yield from re.findall(r"expr: '(.*)'", (FOLDER / "alerts.yml").read_text())
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "maria.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("arguments", [("check", "alerts.yml"), ("test", "alerts.test.yml")])
def test_prometheus_accepts_the_rules_and_each_case(arguments: tuple[str, str]) -> None:
    verb, file = arguments
    done = subprocess.run(
        [need("promtool", PROMTOOL), verb, "rules", file],
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_firing_and_a_quiet_case() -> None:
    text = (FOLDER / "alerts.test.yml").read_text()
    cases = re.findall(r"- name: (\w+) (fires|is quiet)$", text, re.MULTILINE)
    assert cases == [(alert, case) for alert in alerts() for case in ("fires", "is quiet")]
    # Each case asks for its own alert.
    named = re.findall(r'alertname="(\w+)"', text)
    assert named == [alert for alert, _ in cases]
    assert re.findall(r"value: (\d)$", text, re.MULTILINE) == ["1", "0"] * len(alerts())


def test_the_runbook_has_one_entry_for_each_alert() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert sorted(re.findall(r"^### (\w+)$", runbook, re.MULTILINE)) == sorted(alerts())
    anchors = re.findall(
        r"runbook: docs/runbook.md#(\w+)$", (FOLDER / "alerts.yml").read_text(), re.M
    )
    assert anchors == [alert.lower() for alert in alerts()]


def test_queries_name_only_figures_that_are_served() -> None:
    for query in queries():
        names = {
            re.sub(r"(_seconds)_(bucket|sum|count)$", r"\1", name)
            for name in re.findall(r"\bmaria_\w+", query)
        }
        assert names or query.startswith("up{"), query
        assert names <= served(), query
