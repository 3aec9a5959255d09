"""Benchmarks still fit the product: its statements, pages and tables. A small run, in this process.

`test_benchmarks.py` runs the programs themselves, in the soak. docs/testing.md names those that no test runs.
"""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
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
    idle,
    load,
    move,
    open_pages,
    processes,
    programs,
    record,
    report,
    resources,
    seal,
    slow,
)
from benchmarks.base import Checkout, checkout
from benchmarks.cases import CASES, head
from benchmarks.deployment import PRODUCT, ROOT, _environment
from benchmarks.load import Answer
from benchmarks.sameness import UnequalWork, has_same_fields
from tests import postgres
from tests.maria_project.benchmark_support import serving_bare, serving_in_a_thread


@pytest.fixture
def unlimited(settings: Any) -> None:
    """The settings of a benchmark: no rate limits and no quotas."""
    settings.RATE_LIMITS = {name: ["1000000/m"] for name in settings.RATE_LIMITS}
    settings.UPLOAD_MAX_FILES, settings.UPLOAD_MAX_TOTAL_BYTES = 1_000_000, 10**15


@pytest.fixture
def plan(
    committed: None, unlimited: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> programs.Plan:
    """What is recorded in the test's database; the load is sent from this process."""
    monkeypatch.setattr(comparison, "send_load", load.run)
    record.write_plan(tmp_path)
    return programs.Plan(_environment(tmp_path))


def ours(plan: programs.Plan) -> programs.Program:
    return replace(programs.product({}, plan), serve=serving_in_a_thread)


def compared(plan: programs.Plan, *others: programs.Program) -> comparison.Comparison:
    small = comparison.Effort(connections=1, rounds=1, seconds=60, requests=1)
    return comparison.compare("here", [ours(plan), *others], CASES, plan.body, small)


@pytest.mark.both
def test_the_bare_program_replays_every_case(plan: programs.Plan) -> None:
    bare = replace(programs.bare({}, plan), serve=partial(serving_bare, plan.file))

    result = compared(plan, bare)

    for table in (report.rates(result), report.processor_times(result)):
        headings, *rows = table
        assert headings == ["request", "ours", "bare", "ours ÷ bare (spread)"]
        assert [row[0] for row in rows] == [case.name for case in CASES]
        assert {len(row) for row in rows} == {4}
        assert all(map(all, rows))


def test_the_peer_and_better_auth_do_the_same_work(plan: programs.Plan, tmp_path: Path) -> None:
    env = _environment(tmp_path)
    peer = programs.peer(env, plan)
    others = [peer, *([programs.better_auth(env)] if programs.can_run_better_auth(env) else [])]

    result = compared(plan, *others)

    answered = {name: {*turns} - {"ours"} for name, turns in result.turns.items()}
    assert answered.pop("introspect") == set()
    assert all("peer" in names for names in answered.values())
    with sqlite3.connect(tmp_path / "peer" / "db.sqlite3") as database:
        counts = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("peer_visitor", "peer_upload", "auditlog_logentry")
        ]
    # One registered with a file. Check, warm-up and turn create one visitor and one file each.
    assert counts == [4, 4, 8]


def test_other_work_is_not_compared() -> None:
    case = CASES[1]
    good = Answer(b"HTTP/1.1 200 OK", [b'{"used": {"files": 1}}'])
    has_same_fields(case, case.contains, good, Answer(good.head, [b'{"used": {"files": 2}}']))
    for other in (
        Answer(b"HTTP/1.1 201 Created", good.pieces),
        Answer(good.head, [b'{"used": {}}']),
        Answer(good.head, [b"null"]),
    ):
        with pytest.raises(UnequalWork):
            has_same_fields(case, case.contains, good, other)


@pytest.mark.parametrize(
    ("status", "text"), [("200 OK", "null"), ("404 Not Found", "good"), ("302 Found", "good")]
)
def test_only_good_answers_are_counted(status: str, text: str) -> None:
    def program(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Length", str(len(text)))])
        return [text.encode()]

    with serving_in_a_thread(program) as server:
        job = load.Job(server.port, [head("GET", "/", {})], "", 60, limit=1, contains="good")
        with pytest.raises(load.RequestFailed):
            load.run(job)


def test_processor_time_includes_children_that_have_ended() -> None:
    before = resources.processor_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert resources.processor_seconds(os.getpid()) > before
    assert resources.mebibytes(os.getpid()) > 10


@pytest.mark.skipif(
    not ((ROOT / ".git").exists() and shutil.which("git")), reason="it needs the repository and git"
)
def test_an_earlier_commit_gets_a_folder_for_a_while() -> None:
    with checkout("HEAD") as base:
        assert (base.folder / "manage.py").exists()
        assert base.python
    assert not base.folder.exists()


def test_json_values_are_recorded_as_text_on_postgresql_too() -> None:
    assert [*map(record._plain, (Jsonb({"size": 1}), "text", 1, None))] == [
        '{"size": 1}', "text", 1, None,
    ]  # fmt: skip


def test_good_requests_are_answered_beside_slow_clients(
    committed: None, unlimited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only clients that send: answers that nobody reads need a process of their own."""
    monkeypatch.setattr(slow, "serving", lambda *_: serving_in_a_thread())

    result = slow._measure(PRODUCT, {}, "send slowly", count=10, seconds=0.2)

    assert result.waits
    assert None not in result.waits


def test_several_processes_are_compared_with_one(
    committed: None, unlimited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = processes.ProcessesRow("current", 1, [2.0, 4.0, 3.0], [100.0])
    two = processes.ProcessesRow("current", 2, [3.3, 3.3, 9.0], [150.0])
    assert two.cells(one) == ["current", "2", "3.30", "1.10", "150"]

    monkeypatch.setattr(processes, "send_load", load.run)
    options = processes._parser().parse_args(["--connections=1", "--rounds=1", "--requests=20"])
    with serving_in_a_thread() as server:
        rows = [*processes._rows({1: server, 2: server}, options)]

    assert [" ".join(row[:2]) for row in rows] == ["current 1", "current 2", "create 1", "create 2"]
    assert {row[3] for row in rows[::2]} == {"1.00"}


def test_open_pages_ask_for_a_revision(
    committed: None, unlimited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_by_one(job: load.Job) -> None:
        """Without the product's server, waitress closes a connection after a 304."""
        for _ in range(job.limit):
            load.run(replace(job, limit=1))

    monkeypatch.setattr(open_pages, "send_load", one_by_one)
    options = open_pages._parser().parse_args(["--connections=1", "--rounds=1", "--requests=20"])
    with serving_in_a_thread() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as page:
            answer = load.ask(page, open_pages._question(server).encode())
        assert b" 304 " in answer.head
        milliseconds = open_pages._milliseconds(server, options)
    assert len(open_pages._row("SQLite", milliseconds)) == len(open_pages._HEADINGS)


def test_every_step_of_the_seal_is_measured(
    committed: None, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_SEAL_KEY_FILE = tmp_path / "seal_key.pem"
    settings.AUDIT_SEAL_PUBLIC_KEYS_FILE = tmp_path / "seal_keys.json"

    for name in seal.STEPS:
        seal.step(name, 40)

    # The new key is an event, too.
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" rows,")[0] for line in lines if " rows/s " in line] == [
        "fill: 40",
        "seal: 41",
        "verify: 41",
        "verify_half: 0",
    ]


@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "sqlite", reason="it moves a database of SQLite")
def test_the_move_is_measured(
    committed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    postgres.need_postgres()
    call_command("seed_demo", "--sessions=20", "--without-files", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(tmp_path / "old.sqlite3")])

    assert move.main(["--file", str(tmp_path / "old.sqlite3"), "--undo=sessions_app:0004"]) == 0

    printed = capsys.readouterr().out
    assert "after the move: 20 sessions, " in printed
    assert "without what follows sessions_app:0004: 20 sessions, " in printed


@pytest.mark.slow
def test_idle_processes_are_measured(tmp_path: Path) -> None:
    ours = Checkout("ours", ROOT, sys.executable)
    ((before, ready, after, worker),) = idle.measure([ours], _environment(tmp_path), seconds=1)
    assert 0 < before <= ready <= after
    assert worker > 0


def test_idle_processes_get_requests_when_they_are_ready() -> None:
    """A process that has just started answers 503 first."""
    unchecked = ["503 Service Unavailable"] * 2

    def program(environ: Any, start_response: Any) -> list[bytes]:
        start_response(unchecked.pop() if unchecked else "200 OK", [("Content-Length", "2")])
        return [b"{}"]

    with serving_in_a_thread(program) as server:
        with pytest.raises(load.RequestFailed, match="503"):
            idle.wait_until_ready(server.port, seconds=0)
        idle.wait_until_ready(server.port)
    assert not unchecked


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

    with serving_in_a_thread() as server:
        client = admin_pages.AdminClient(server.port, targets)
        answers = {page.name: page.ours(client).status_code for page in admin_pages.PAGES}

    assert answers == dict.fromkeys(answers, 200)
    assert len(answers) == len(admin_pages.PAGES)
