"""Each benchmark still fits the product: its statements, pages and tables. A small run, in this process.

`test_benchmarks.py` runs the programs themselves, in the soak.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from psycopg.types.json import Jsonb

from benchmarks import (
    admin_pages,
    admin_steps,
    cleanup,
    cleanup_steps,
    comparison,
    processes,
    record,
    report,
    slow,
)
from benchmarks.deployment import PRODUCT
from tests.maria_project.benchmark_support import run_here, serving_in_a_thread


@pytest.fixture
def unlimited(settings: Any) -> None:
    """The settings of a benchmark: no rate limits and no quotas."""
    settings.RATE_LIMITS = {name: ["1000000/m"] for name in settings.RATE_LIMITS}
    settings.UPLOAD_MAX_FILES, settings.UPLOAD_MAX_TOTAL_BYTES = 1_000_000, 10**15


@pytest.mark.both
def test_the_baseline_replays_every_case(
    committed: None, unlimited: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "serving", serving_in_a_thread)
    monkeypatch.setattr(comparison._Plan, "_run", lambda _, *args, **kw: run_here(*args, **kw))

    compared = comparison.compare(
        "here", {"DATA_DIR": str(tmp_path)}, connections=1, rounds=1, seconds=60, limit=1
    )

    headings, *rows = report.table([compared])
    assert [row[0] for row in rows] == [
        "create", "validate", "current", "list", "download 5 MiB", "upload 5 MiB",
    ]  # fmt: skip
    assert {len(row) for row in rows} == {len(headings)}
    assert {row.case: len(row.product) for row in compared.rows} == {row[0]: 1 for row in rows}


def test_json_values_are_recorded_as_text_on_postgresql_too() -> None:
    assert [*map(record._plain, (Jsonb({"size": 1}), "text", 1, None))] == [
        '{"size": 1}', "text", 1, None,
    ]  # fmt: skip


def test_good_requests_are_answered_beside_slow_clients(
    committed: None, unlimited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only clients that send: answers that nobody reads need a process of their own."""
    monkeypatch.setattr(slow, "serving", serving_in_a_thread)

    result = slow._measure(PRODUCT, {}, "send slowly", count=10, seconds=0.2)

    assert result.waits
    assert None not in result.waits


def test_the_processor_time_of_processes_is_read() -> None:
    before = processes.processor_seconds([os.getpid()])
    ends = time.process_time() + 0.1
    while time.process_time() < ends:
        pass
    assert processes.processor_seconds([os.getpid()]) >= before + 0.08  # it counts in 10 ms


def test_several_processes_are_compared_with_one() -> None:
    one = processes.ProcessesRow("current", 1, [2.0, 4.0, 3.0], [100.0])
    two = processes.ProcessesRow("current", 2, [3.3, 3.3, 9.0], [150.0])
    assert two.cells(one) == ["current", "2", "3.30", "1.10", "150"]


@pytest.mark.both
@pytest.mark.skipif(connection.vendor != "postgresql", reason="it measures PostgreSQL")
def test_the_cleanup_is_measured(
    committed: None, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(_: Any, name: str, number: int = 0) -> cleanup.CleanupMeasurement:
        seen = cleanup_steps.STEPS[name](number)
        return cleanup.CleanupMeasurement({**seen, "seconds": 1, "mebibytes": 1})

    monkeypatch.setenv("DATA_DIR", str(own_store.parent))
    monkeypatch.setattr(cleanup, "_step", step)
    monkeypatch.setattr(cleanup, "_manage", lambda _, *arguments: call_command(*arguments))
    options = cleanup._parser().parse_args(["--rounds=1", "--remove=6"])

    # Not "disk": django-unused-media needs settings of its own.
    measured = cleanup._measure({}, "S3", 30, options)

    names = ("keys", "scan", "naive", "remove", "trash")
    keys, scan, naive, remove, trash = (measured[name].seen for name in names)
    assert (scan["objects"], scan["rows"], scan["removed"]) == (30, 30, 0)
    assert (keys["objects"], naive["objects"], naive["orphans"]) == (30, 30, 0)
    assert (remove["removed"], trash["removed"]) == (6, 6)
    assert len(cleanup._rows("S3", 30, measured)) == 6


def test_every_page_of_the_back_office_is_requested(committed: None, unlimited: None) -> None:
    call_command("seed_demo", "--sessions=100", "--without-files", verbosity=0)
    targets = admin_steps.sign_in()

    with serving_in_a_thread(PRODUCT, {}) as server:
        client = admin_pages.AdminClient(server.port, targets)
        answers = {page.name: page.ours(client).status_code for page in admin_pages.PAGES}

    assert answers == dict.fromkeys(answers, 200)
    assert len(answers) == len(admin_pages.PAGES)
