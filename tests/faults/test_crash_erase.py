"""A process killed in the middle of an erasure: all is as before, or the sweep finishes."""

from typing import Any

import pytest
from django.core.cache import cache

from sessions_app import tasks
from tests.helpers import SOAK, Visitor, events, pdf, started, stored_keys, uploaded
from tests.processes import STEPS, fork, need_strace, wait_for_other_backends
from tests.sessions_app.people import database_dump, erase, identify
from tests.uploads_app.cleanup_support import settled

MARKER = "zebrafink"
# The calls by which an erasure changes anything: the rest of STEPS takes a soak to rule out.
LIKELY = ("fsync", "fdatasync", "unlink", "sendto")


@pytest.fixture(autouse=True)
def strace() -> None:
    """These tests need a way to kill a process at a step."""
    need_strace()


def erase_and_die(visitor: Visitor, call: str, number: int) -> bool:
    """Erase in a process that is killed before that call; False if it does not come to it."""

    def work(say: Any) -> None:
        assert erase(visitor).status_code == 204

    child = fork(work)
    child.kill_before(call, number)
    child.go()
    exit_code, lines = child.end()
    assert exit_code in (0, -9), lines
    wait_for_other_backends()
    return exit_code == -9


def assert_before_or_to_finish(visitor: Visitor, upload_id: str) -> None:
    """Check that nothing has changed, or that the sweep finishes; then that nothing is left."""
    if "session.erasure_requested" not in events(visitor.uuid):
        assert visitor.row.name == MARKER
        assert visitor.download(upload_id) == pdf(MARKER)
        assert erase(visitor).status_code == 204
    settled()
    tasks.forget_visitors()
    written = events(visitor.uuid)
    once = ("session.erasure_requested", "upload.deleted", "session.erased")
    assert [written.count(event) for event in once] == [1, 1, 1]
    assert visitor.row.erased_at is not None


def attempt(call: str, number: int) -> bool:
    """Kill one erasure of a session with a name and a file; False if it does not come to that call."""
    cache.clear()
    visitor = started()
    identify(visitor, name=MARKER)
    upload = uploaded(visitor, pdf(MARKER), f"{MARKER}.pdf")
    killed = erase_and_die(visitor, call, number)
    assert_before_or_to_finish(visitor, str(upload.pk))
    return killed


@pytest.mark.slow
def test_killed_at_any_step_it_is_all_as_before_or_the_sweep_finishes(committed: None) -> None:
    kills = 0
    for call in STEPS if SOAK else LIKELY:
        # What goes to PostgreSQL is mostly reads: some will do for each run of ./test.
        for number in range(1, 500, 1 if SOAK or call != "sendto" else 12):
            if not attempt(call, number):
                break
            kills += 1
    assert kills >= 5
    assert stored_keys() == set()
    assert MARKER not in database_dump()
