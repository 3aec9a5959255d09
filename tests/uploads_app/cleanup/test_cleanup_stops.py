"""Every reason for which the cleanup stops and deletes nothing (threats, row 55 and 58)."""

import errno
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from sessions_app.models import UserSession
from tests import postgres
from tests.helpers import SOAK, plant, started, store_root, uploaded
from tests.processes import fork, need_strace
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    cleanup,
    clear_store,
    closed_with_object,
    deleting,
    last_run,
    many,
    new_key,
    of_session_ended,
    pending,
    settled,
    snapshot,
    stored,
    use_store,
)
from tests.uploads_app.kept_scenes import scene_of
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.findings import FindingKind
from uploads_app.cleanup.stop_codes import known
from uploads_app.management.commands.cleanup_orphans import Command
from uploads_app.models import (
    CleanupRun,
    Finding,
    RunStatus,
    StoreState,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)

ROOT = Path(__file__).resolve().parents[3]
SECOND = timedelta(seconds=1)
# A run that stops for these reasons has not signed the marker.
BEFORE_SIGNING = {
    "clocks_differ", "canary", "marker_missing", "marker_unknown", "marker_foreign",
    "marker_unreadable",
}  # fmt: skip
KINDS = tuple(f"{kind}: " for kind in FindingKind)
both_ways = pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])


@pytest.fixture
def ripe(db: None) -> None:
    """A store with something of every kind to remove."""
    scene_of(something_to_remove)


def something_to_remove() -> None:
    stored()
    pending(-HOUR)
    deleting()
    of_session_ended(8 * DAY)
    closed_with_object(HOUR)
    plant(".clock.0123456789abcdef.part", age=HOUR)


def assert_stops(code: str, *, dry_run: bool = False, sentence: str = "") -> None:
    """Run the cleanup; check that it stops for that reason and changes nothing.

    A run signs the marker before it scans, or leaves a sign for another copy of the database.
    """
    before, events, runs = _without_log(snapshot()), Events(), CleanupRun.objects.count()
    marker = _marker()

    result = cleanup(*(["--dry-run"] if dry_run else []))

    run = last_run()
    assert CleanupRun.objects.count() == runs + 1
    assert result.exit_code == 3
    # A run that stops because of its findings reports them first; a dry run reports at once.
    assert all(line.startswith(KINDS) for line in result.out.splitlines())
    assert result.err == (
        f"Stopped, nothing deleted: {run.stop_sentence} ({code})\nWhat to do: {known()[code]}\n"
    )
    assert re.fullmatch(r"[A-Z0-9][^\n]*[.?]", run.stop_sentence)
    assert sentence in run.stop_sentence
    assert (run.status, run.stop_code, run.removed, run.dry_run) == (
        RunStatus.STOPPED, code, 0, dry_run,
    )  # fmt: skip
    assert run.finished_at is not None
    recorded = [
        ("cleanup.stopped", f"cleanup_run:{run.pk}", {"run": run.pk, "code": code}),
    ]
    assert events.new() == ([] if dry_run else recorded)
    assert _without_log(snapshot()) == before
    if dry_run or code in BEFORE_SIGNING:
        assert _marker() == marker


def _without_log(taken: tuple[Any, Any]) -> tuple[Any, Any]:
    """Leave out what a stopped run may write: its events, its scan's counts, its lineage."""
    tables, store = taken
    kept = {name: rows for name, rows in tables.items() if not name.startswith("audit_app.")}
    own = dict.fromkeys(("scan_id", "scanned_objects", "scanned_rows", "lineages"))
    kept["uploads_app.StoreState"] = [row | own for row in kept["uploads_app.StoreState"]]
    return kept, {key: content for key, content in store.items() if key != "marker.json"}


@both_ways
def test_t55_an_empty_database_beside_a_full_store(ripe: None, dry_run: bool) -> None:
    _empty_the_database()
    assert_stops("marker_unknown", dry_run=dry_run, sentence="Is it the right database?")
    assert not StoreState.objects.exists()


@pytest.mark.both
@both_ways
def test_t55_a_database_restored_from_a_backup(ripe: None, dry_run: bool) -> None:
    settled()
    backup = StoreState.objects.values().get()
    pending(-HOUR)
    settled()
    settled()
    StoreState.objects.update(**backup)
    plant(new_key(), age=DAY)
    pending(-HOUR)
    assert_stops("store_ahead", dry_run=dry_run, sentence="was restored from a backup")


@pytest.mark.both
def test_t55_a_database_behind_the_store_stops_and_one_ahead_does_not(ripe: None) -> None:
    settled()
    generation = StoreState.objects.get().generation
    for difference, stops in ((-1, True), (0, False), (1, False)):
        StoreState.objects.update(generation=generation + difference)
        assert cleanup("--dry-run").exit_code == (3 if stops else 0)


@both_ways
def test_t55_a_marker_of_another_deployment(ripe: None, dry_run: bool) -> None:
    settled()
    pending(-HOUR)
    _write_marker(f'{{"id": "{uuid.uuid4()}", "generation": 2}}')
    assert_stops("marker_foreign", dry_run=dry_run, sentence="Is it the right store?")


@both_ways
def test_t55_no_marker_beside_objects(ripe: None, dry_run: bool) -> None:
    (store_root() / "marker.json").unlink()
    assert_stops("marker_missing", dry_run=dry_run, sentence="is it mounted?")


@both_ways
def test_t55_an_empty_store_beside_a_full_database(ripe: None, dry_run: bool) -> None:
    clear_store()
    assert_stops("marker_missing", dry_run=dry_run)


@both_ways
def test_t55_objects_without_a_marker_beside_an_empty_database(ripe: None, dry_run: bool) -> None:
    _empty_the_database()
    (store_root() / "marker.json").unlink()
    assert_stops("marker_missing", dry_run=dry_run)
    assert not StoreState.objects.exists()


UNREADABLE = (
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"id": "x"}',
    '{"id": "x", "generation": "many"}',
    '{"id": "x", "generation": null}',
    '{"id": "x", "generation": [1]}',
    '{"id": "x", "generation": 1e999}',
    '{"id": "x", "generation": 1, "more": 1}',
    "[" * 100_000,
    "\udcff\udcfe",
)


@both_ways
def test_t55_a_marker_that_cannot_be_read(db: None, dry_run: bool) -> None:
    pending(-HOUR)
    for text in UNREADABLE:
        _write_marker(text)
        assert_stops("marker_unreadable", dry_run=dry_run)


@both_ways
def test_t55_objects_but_no_sessions_at_all(ripe: None, dry_run: bool) -> None:
    settled()
    state = StoreState.objects.values().get()
    _empty_the_database()
    StoreState.objects.create(**state)
    assert_stops("no_sessions", dry_run=dry_run, sentence="the database has no session")


@both_ways
@pytest.mark.parametrize("after", [0, 1, 3])
def test_t55_an_incomplete_listing(ripe: None, settings: Any, dry_run: bool, after: int) -> None:
    use_store(settings, break_after=after)
    assert_stops("listing_incomplete", dry_run=dry_run, sentence="ended early")


@both_ways
@pytest.mark.parametrize("relist", [reversed, lambda keys: [*keys, keys[0]]], ids=["back", "twice"])
def test_t55_a_listing_that_is_out_of_order(
    db: None, settings: Any, dry_run: bool, relist: Any
) -> None:
    stored()
    pending(-HOUR, has_object=True)
    use_store(settings, relist=relist)
    assert_stops("listing_incomplete", dry_run=dry_run, sentence="the store lists uploads/")


def _nothing_found(*_: Any) -> Iterator[Finding]:
    return iter(())


def _called_young(found: Any, ages: Any) -> Iterator[Finding]:
    yield Finding(kind=FindingKind.YOUNG, key=found.key, size=found.size)


def _no_place(key: str) -> None:
    return None


@both_ways
@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_without_row", _nothing_found),
        ("_without_row", _called_young),
        ("_without_object", _nothing_found),
        ("is_object", _no_place),
    ],
    ids=["orphans not found", "orphans called young", "missing files not found", "no key parsed"],
)
def test_t54_a_mistake_in_the_decisions_stops_every_run(
    ripe: None, monkeypatch: pytest.MonkeyPatch, name: str, broken: Any, dry_run: bool
) -> None:
    monkeypatch.setattr(reconcile, name, broken)
    assert_stops("canary", dry_run=dry_run, sentence="This is a mistake in the product")


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.parametrize("dry_run", [False, True] if SOAK else [False])
def test_t55_a_disk_that_cannot_list_a_folder(committed: None, dry_run: bool) -> None:
    need_strace()
    first, second = uploaded(started()), uploaded(started())
    pending(-HOUR)
    codes: list[str] = []
    for number in range(1, 20):
        before = _without_log(snapshot())
        child = fork(lambda say: say(str(cleanup(*(["--dry-run"] * dry_run)).exit_code)))
        child.inject(f"getdents64:error=EIO:when={number}")
        child.go()
        exit_code, lines = child.end()
        assert exit_code == 0, lines
        if lines == ["0"]:
            break
        assert lines == ["3"]
        codes.append(last_run().stop_code)
        assert last_run().removed == 0
        assert _without_log(snapshot()) == before
    # The top folder twice per scan, then each session's folder; later the temporary files.
    assert set(codes) == {"listing_incomplete", "storage_unavailable"}
    assert len(codes) >= 4
    assert UploadedFile.objects.filter(pk__in=[first.pk, second.pk], status="stored").count() == 2


@both_ways
@pytest.mark.parametrize("part", ["before_list", "before_delete"])
def test_t57_a_store_that_does_not_answer_during_the_scan(
    ripe: None, settings: Any, dry_run: bool, part: str
) -> None:
    def fail(key: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if part == "before_delete":
        use_store(settings, before_delete=fail, break_after=2)
        assert_stops("listing_incomplete", dry_run=dry_run)
        return
    use_store(settings, before_list=fail)
    assert_stops("storage_unavailable", dry_run=dry_run, sentence="does not answer")


@both_ways
@pytest.mark.parametrize(("orphans", "missing"), [(101, 0), (0, 101), (51, 50)])
def test_t55_more_than_a_hundred_unexpected(
    db: None, orphans: int, missing: int, dry_run: bool
) -> None:
    _unexpected(orphans, missing)
    pending(-HOUR)
    assert_stops(
        "too_many_unexpected", dry_run=dry_run, sentence="101 files are orphans or missing"
    )


@pytest.mark.parametrize(("orphans", "missing"), [(99, 0), (100, 0), (0, 100), (50, 50)])
def test_t55_a_hundred_unexpected_are_plausible(db: None, orphans: int, missing: int) -> None:
    _unexpected(orphans, missing)
    lapsed = pending(-HOUR)
    result = settled("--json")
    assert len(result.found.get("objects without a row", ())) == orphans
    assert len(result.found.get("rows without an object", ())) == missing
    lapsed.refresh_from_db()
    assert lapsed.status == "lapsed"


def test_t55_allow_share_raises_the_limit_for_one_run_and_is_recorded(db: None) -> None:
    _unexpected(101, 0)
    assert cleanup("--allow-share", "5").exit_code == 3
    assert cleanup("--dry-run", "--allow-share", "100").exit_code == 0
    events = Events()
    settled("--allow-share", "100")
    run = last_run()
    assert (run.quarantined, run.allow_share) == (101, 1.0)
    assert ("cleanup.limit_raised", f"cleanup_run:{run.pk}", {"share": "100%"}) in events.new()
    assert events.types().count("cleanup.limit_raised") == 1
    _unexpected(101, 0)
    assert cleanup().exit_code == 3


@pytest.mark.slow
@pytest.mark.parametrize(("unexpected", "exit_code"), [(120, 0), (121, 3)])
def test_t55_in_a_large_store_five_in_a_hundred_are_plausible(
    db: None, unexpected: int, exit_code: int
) -> None:
    stored()
    many(2400 - unexpected - 1, per_session=100)
    _unexpected(unexpected, 0)
    result = cleanup()
    assert result.exit_code == exit_code
    assert last_run().objects_seen == 2400


def test_a_day_without_a_worker_does_not_stop_the_run(db: None) -> None:
    """Hundreds of deletions by rows are plausible."""
    live = stored()
    lapsed = many(150, UploadStatus.PENDING, age=DAY)
    past = many(100, ended=8 * DAY, age=9 * DAY)
    result = settled("--json")
    assert result.document["removed"] == 250
    assert _states(lapsed) == {"lapsed"}
    assert _states(past) == {"deleted"}
    live.refresh_from_db()
    assert live.status == "stored"
    assert (store_root() / live.key).exists()


@both_ways
@pytest.mark.parametrize(
    "off",
    [timedelta(minutes=5, seconds=1), -timedelta(minutes=5, seconds=1), 3 * DAY, -3 * DAY],
    ids=str,
)
def test_t58_clocks_that_differ_by_more_than_five_minutes(
    ripe: None, settings: Any, off: timedelta, dry_run: bool
) -> None:
    use_store(settings, clock_off=off)
    assert_stops("clocks_differ", dry_run=dry_run, sentence="no age is reliable")


@pytest.mark.parametrize(
    "off", [timedelta(minutes=4, seconds=59), -timedelta(minutes=4, seconds=59)], ids=str
)
def test_t58_clocks_that_differ_by_less_do_not_stop_the_run(
    ripe: None, settings: Any, off: timedelta
) -> None:
    use_store(settings, clock_off=off)
    assert settled("--json").document["removed"] == 4


@pytest.mark.slow
def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    result = _command(
        {
            "DATABASE_URL": "postgres://maria:hidden-word@127.0.0.1:1/maria",
            "DATA_DIR": str(tmp_path),
        },
    )
    assert result.returncode == 3
    assert result.stdout == ""
    sentence, advice = result.stderr.splitlines()[-2:]
    assert advice == f"What to do: {known()['database_unavailable']}"
    assert sentence.startswith("Stopped, nothing deleted: The database does not answer: ")
    assert sentence.endswith(". (database_unavailable)")
    assert "hidden-word" not in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "storage").exists()


@pytest.mark.slow
def test_t55_a_standby_database(tmp_path: Path) -> None:
    """A replica may lag behind, so its rows do not match the store's objects."""
    postgres.need_postgres()
    kept = tmp_path / "storage" / new_key()
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"%PDF-1.4 kept")
    with postgres.serving() as primary, postgres.standby_of(primary) as standby:
        result = _command({"DATABASE_URL": standby.url, "DATA_DIR": str(tmp_path)})
    assert (result.returncode, result.stdout) == (3, "")
    assert (
        "Stopped, nothing deleted: The database is a replica, which may lag behind. "
        "(database_standby)\n" in result.stderr
    )
    assert kept.read_bytes() == b"%PDF-1.4 kept"


@pytest.mark.slow
def test_a_database_without_tables(tmp_path: Path) -> None:
    result = _command({"DATABASE_URL": "", "DATA_DIR": str(tmp_path)}, "--dry-run")
    assert result.returncode == 3
    sentence, advice = result.stderr.splitlines()[-2:]
    assert sentence.startswith("Stopped, nothing deleted: The tables of the database do not fit")
    assert sentence.endswith("(database_schema)")
    assert advice == f"What to do: {known()['database_schema']}"
    assert not (tmp_path / "storage").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--limit", "0"], "'0' is not a number"),
        (["--limit", "-1"], "'-1' is not a number"),
        (["--limit", "many"], "'many' is not a number"),
        (["--limit", "1.5"], "'1.5' is not a number"),
        (["--limit", "2147483648"], "'2147483648' is not a number"),
        (["--limit", "9" * 30], "is not a number"),
        (["--older-than", "soon"], "'soon' is not an age"),
        (["--older-than", ""], "'' is not an age"),
        (["--older-than", "-5m"], "argument --older-than"),
        (["--older-than=-5m"], "'-5m' is not an age"),
        (["--older-than", "999999999d"], "'999999999d' is not an age"),
        (["--older-than", "9999999999999d"], "'9999999999999d' is not an age"),
        (["--upload-retention", "long"], "'long' is not an age"),
        (["--completed-retention", "-1d"], "argument --completed-retention"),
        (["--trash-retention", "7x"], "'7x' is not an age"),
        (["--upload-retention", "30"], "'30' is not an age: write a number and s, m, h or d"),
        (["--upload-retention", "30s"], "'30s' is too short for a retention: at least 1h"),
        (["--completed-retention", "59m"], "'59m' is too short"),
        (["--trash-retention", "0s"], "'0s' is too short"),
        (["--older-than", "0"], "'0' is not an age"),
        (["--older-than", "1e3s"], "'1e3s' is not an age"),
        (["--older-than", "٣d"], "'٣d' is not an age"),
        (["--limit", "٣"], "'٣' is not a number"),
        (["--allow-share", "٣"], "'٣' is not a percentage"),
        (["--allow-share", "101"], "'101' is not a percentage"),
        (["--allow-share", "0.5"], "'0.5' is not a percentage"),
        (["--explain"], "argument --explain"),
        (["--everything"], "unrecognized arguments: --everything"),
        (["extra"], "unrecognized arguments: extra"),
    ],
    ids=str,
)
def test_invalid_options_exit_with_2_and_a_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        Command().run_from_argv(["manage.py", "cleanup_orphans", *options])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    with pytest.raises(CommandError):
        cleanup(*options)


@pytest.mark.parametrize(
    "options",
    [
        ["--limit", "2147483647"],
        ["--older-than", "3650d"],
        ["--older-than", "0s"],
        ["--upload-retention", "1h"],
        ["--older-than", "1h30m"],
    ],
    ids=str,
)
def test_extreme_but_valid_options_are_accepted(ripe: None, options: list[str]) -> None:
    settled(*options)
    run = last_run()
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


def _command(env: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "cleanup_orphans", *options],
        cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def _empty_the_database() -> None:
    for model in (UploadedFile, UploadQuota, StoreState):
        model._base_manager.all().delete()
    UserSession.objects.update(predecessor=None)
    UserSession.objects.all().delete()


def _marker() -> bytes | None:
    path = store_root() / "marker.json"
    return path.read_bytes() if path.exists() else None


def _write_marker(text: str) -> None:
    (store_root() / "marker.json").write_bytes(text.encode(errors="surrogateescape"))


def _unexpected(orphans: int, missing: int) -> None:
    if not UploadedFile.objects.exists():
        stored()
    for _ in range(orphans):
        plant(new_key(), age=DAY)
    many(missing, objects=False)


def _states(uploads: list[UploadedFile]) -> set[str]:
    return set(
        UploadedFile.objects.filter(pk__in=[upload.pk for upload in uploads]).values_list(
            "status", flat=True
        )
    )
