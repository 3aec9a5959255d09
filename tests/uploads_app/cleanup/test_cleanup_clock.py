"""A clock that jumps ahead makes every file old at once: the cleanup stops and asks a person."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db.models import F
from django.utils import timezone

from sessions_app.models import UserSession
from sessions_app.tasks import expire_sessions
from tests.cases import cases
from tests.helpers import started, store_root, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    CommandResult,
    Events,
    age_log,
    cleanup,
    last_run,
    many,
    settled,
    store_contents,
    stored,
)
from uploads_app.cleanup.stop_codes import known
from uploads_app.models import CleanupRun, UploadedFile

pytestmark = pytest.mark.both

SECOND = timedelta(seconds=1)


def assert_stops(code: str, *arguments: str) -> CommandResult:
    """Run the cleanup; check that it stops for that reason and changes no file."""
    before, events = (
        (store_contents(), list(UploadedFile.objects.order_by("pk").values())),
        Events(),
    )
    result = cleanup(*arguments)
    run = last_run()
    assert (result.exit_code, run.stop_code, run.removed) == (3, code, 0), result
    assert known()[code] in result.err
    recorded = [("cleanup.stopped", f"cleanup_run:{run.pk}", {"run": run.pk, "code": code})]
    assert events.new() == ([] if run.dry_run else recorded)
    assert (store_contents(), list(UploadedFile.objects.order_by("pk").values())) == before
    return result


def jump(by: timedelta) -> None:
    """Let the clock jump ahead: everything that has happened is older by that time."""
    age_log(by)
    CleanupRun.objects.update(started_at=F("started_at") - by)
    names = ("created_at", "last_seen_at", "used_at", "expires_at", "ended_at")
    UserSession.objects.update(**{name: F(name) - by for name in names})
    UploadedFile.objects.update(stored_at=F("stored_at") - by)


def test_t58_a_clock_that_jumped_ahead_removes_nothing(db: None) -> None:
    live = [stored() for _ in range(3)]
    settled()
    jump(40 * DAY)
    # The sweep and the visitors write events with the wrong time before the cleanup runs.
    expire_sessions()
    uploaded(started())

    assert_stops("clock_jumped", "--dry-run")
    assert_stops("clock_jumped")
    assert_stops("clock_jumped")  # its own event is no proof either

    jump(-40 * DAY)
    settled()
    assert all((store_root() / upload.key).exists() for upload in live)


def test_t58_an_operator_accepts_the_clock_once(db: None) -> None:
    upload = stored()
    settled()
    jump(40 * DAY)
    expire_sessions()
    assert_stops("clock_jumped")
    events = Events()

    settled("--accept-clock")

    run = last_run()
    assert ("cleanup.clock_accepted", f"cleanup_run:{run.pk}", {}) in events.new()
    assert events.types() == ["cleanup.clock_accepted", "cleanup.completed", "upload.deleted"]
    assert not (store_root() / upload.key).exists()
    settled()
    assert events.types().count("cleanup.clock_accepted") == 1


def test_t58_a_clock_that_was_behind_at_the_first_run_is_no_silence(db: None) -> None:
    stored()
    with time_machine.travel(timezone.now() - 3 * DAY):
        cleanup()  # on SQLite it stops, because the clocks of store and database differ
    settled()


@cases(
    ("silences", "stops"),
    [
        ([DAY - HOUR], False),
        ([DAY + SECOND], True),
        ([DAY - HOUR] * 4, False),
        ([HOUR, DAY + HOUR, HOUR], True),
    ],
    ids=str,
)
def test_t58_only_a_silence_of_more_than_a_day_is_a_jump(
    db: None, silences: list[timedelta], stops: bool
) -> None:
    """A worker that was off for days while visitors came and went does not stop."""
    stored()
    settled()
    for silence in silences:
        jump(silence)
        started()
    assert cleanup("--dry-run").exit_code == (3 if stops else 0)


def test_t58_a_clock_that_was_ahead_and_was_corrected_hides_no_later_jump(db: None) -> None:
    stored()
    settled()
    jump(40 * DAY)
    settled("--accept-clock")
    jump(-40 * DAY)
    settled()
    jump(2 * DAY)
    assert_stops("clock_jumped")


@cases(
    ("past", "kept", "arguments", "stops"),
    [
        (100, 1, [], False),
        (101, 1, [], True),
        (101, 1, ["--allow-share", "98"], True),
        (101, 1, ["--allow-share", "100"], False),
        (110, 440, [], False),
        (111, 439, [], True),
        (111, 439, ["--allow-share", "5"], True),
        (111, 439, ["--allow-share", "21"], False),
    ],
    ids=str,
)
def test_t55_more_removals_by_retention_than_plausible(
    db: None, past: int, kept: int, arguments: list[str], stops: bool
) -> None:
    stored()
    many(past, ended=8 * DAY, age=9 * DAY, per_session=50)
    many(kept - 1, per_session=50)
    stored_files = past + kept
    if not stops:
        assert settled("--json", *arguments).document["removed"] == past
        return
    assert_stops("too_many_past_retention", "--dry-run", *arguments)
    result = cleanup(*arguments)
    assert (result.exit_code, last_run().removed) == (3, 0)
    assert f"{past} of {stored_files} files are past their retention" in result.err
    needed = re.search(r"--allow-share (\d+)\.", result.err)
    assert needed
    assert settled("--json", "--allow-share", needed[1]).document["removed"] == past


def test_t55_a_retention_given_by_hand_is_doubted_too(db: None) -> None:
    stored()
    many(101, ended=2 * DAY, age=3 * DAY)
    settled()
    assert_stops("too_many_past_retention", "--dry-run", "--upload-retention", "1d")
