"""Four processes run the cleanup at once: every item is removed once, by one of them.

In every other round the first run is blocked until the others have answered, so that
they overlap; in the other rounds they race.
"""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.helpers import SOAK, age_upload, plant, started, stored_keys, uploaded
from tests.processes import fork
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    CommandResult,
    cleanup,
    many,
    new_key,
    quotas_fit,
    use_store,
)
from uploads_app.models import CleanupRun, RunStatus, UploadStatus

pytestmark = pytest.mark.both

RUNNERS = 4
ROUNDS = 200 if SOAK else 8
SKIPPED = "Skipped: another run is in progress.\n"
# Longer than any machine needs: a wait that ends is a failure.
WAIT = 100


class RoundBarrier:
    """Starts and ends each round of the processes together; the first run waits for the others."""

    def __init__(self) -> None:
        fork_context = multiprocessing.get_context("fork")
        self.gate = fork_context.Barrier(RUNNERS + 1)
        self.skipped = fork_context.Semaphore(0)
        self.is_holding = fork_context.Event()

    def hold(self, key: str) -> None:
        """Block the run that scans the store until all others have been skipped."""
        if self.is_holding.is_set():
            self.is_holding.clear()
            for _ in range(RUNNERS - 1):
                assert self.skipped.acquire(timeout=WAIT), "somebody else works too"

    def take_part(self, say: Callable[[str], None]) -> None:
        """Run the cleanup once in each round, and report the result."""
        for _ in range(ROUNDS):
            self.gate.wait(WAIT)
            result = cleanup()
            if result.out == SKIPPED:
                self.skipped.release()
            say(_summary(result))
            self.gate.wait(WAIT)


@pytest.mark.slow
@pytest.mark.timeout(3600 if SOAK else 300)
def test_t59_of_four_processes_at_once_one_removes_each_item_and_the_others_are_skipped(
    committed: None, settings: Any
) -> None:
    visitor = started()
    live = uploaded(visitor)
    age_upload(live, 2 * HOUR)
    rounds = RoundBarrier()
    use_store(settings, before_list=rounds.hold)
    children = [fork(rounds.take_part) for _ in range(RUNNERS)]
    for child in children:
        child.go()
    try:
        for number in range(ROUNDS):
            is_holding = number % 2 == 0
            if is_holding:
                rounds.is_holding.set()
            due = _things_to_do()
            rounds.gate.wait(WAIT)
            rounds.gate.wait(WAIT)
            said = Counter(child.next_report() for child in children)
            _assert_done_once(due, said, is_holding=is_holding)
            while rounds.skipped.acquire(block=False):
                pass
            CleanupRun.objects.all().delete()
        assert [child.end() for child in children] == [(0, [])] * RUNNERS
    finally:
        for child in children:
            child.kill()
    assert visitor.download(str(live.pk))
    assert stored_keys() == {live.key}
    assert quotas_fit()


def _things_to_do() -> dict[str, str]:
    """Create two findings of each kind; return the expected event of each target."""
    late = many(2, UploadStatus.DELETED)
    orphans = [new_key() for _ in range(2)]
    for key in orphans:
        plant(key, age=HOUR)
    return {
        **{f"upload:{upload.pk}": "upload.lapsed" for upload in many(2, UploadStatus.PENDING)},
        **{f"upload:{upload.pk}": "upload.deleted" for upload in many(2, UploadStatus.DELETING)},
        **{f"upload:{upload.pk}": "upload.deleted" for upload in many(2, ended=8 * DAY)},
        **{f"upload:{upload.pk}": "upload.missing" for upload in many(2, objects=False)},
        **dict.fromkeys([*(upload.key for upload in late), *orphans], "object.quarantined"),
    }


def _assert_done_once(due: dict[str, str], said: Counter[str], *, is_holding: bool) -> None:
    skipped = said["0 skipped"]
    assert said["0 skipped"] + said["0 completed"] == RUNNERS, said
    assert skipped == RUNNERS - 1 if is_holding else skipped < RUNNERS, said
    runs = list(CleanupRun.objects.all())
    assert [run.status for run in runs] == [RunStatus.COMPLETED] * (RUNNERS - skipped)
    assert (sum(run.removed for run in runs), sum(run.quarantined for run in runs)) == (6, 4)
    events = AuditLog.objects.filter(target__in=due)
    assert sorted(events.values_list("target", "event_type")) == sorted(due.items())


def _summary(result: CommandResult) -> str:
    how = "skipped" if result.out == SKIPPED else "completed" if not result.err else result.err
    return f"{result.exit_code} {how}".strip()
