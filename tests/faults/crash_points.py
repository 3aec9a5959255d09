"""Every crash point of a protocol, in one place: the moments between whose steps something can go wrong.

A crash point is the moment before an effect: a commit, a write that commits
by itself, a change to the names in the store's folder, a changing request to
S3. What lies between two of them is only thought, which a crash forgets; what
lies after the last one is done. A process counts its crash points as it comes
to them, and at the one it was told it is killed, or its store or its database
fails. So no step of a protocol can be left out of a list: there is none.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError
from django.core.files.storage import storages
from django.db import OperationalError, connection

from tests.helpers import SOAK
from tests.processes import fork, wait_for_other_backends
from uploads_app.storage.s3_store import S3Store

# In ./test each point once on each database with a disk, and once with S3.
ON_DISK, ON_S3 = (100, 100) if SOAK else (1, 1)
# Of a long protocol on S3, ./test takes every fourth point: all of them are taken with a disk.
LONG_ON_S3 = 1 if SOAK else 4
# No protocol has as many.
MANY = 1000
# What changes the names in a folder, as Python's audit events call it; an empty folder is nothing.
_ON_DISK = frozenset({"os.link", "os.remove", "os.rename"})
_WRITES = ("INSERT", "UPDATE", "DELETE")
_S3_READS = ("Get", "Head", "List")
Work = Callable[[], Any]
Reached = Callable[[str], None]


def killed_at(number: int, work: Work) -> str:
    """Do `work` in a process that is killed at its crash point of that number; return which it was.

    Empty if the process ended before it came to that many.
    """
    code, point = _struck(work, _all, lambda point: _Countdown(number, point, _die))
    assert code == (-signal.SIGKILL if point else 0)
    return point


def store_fails_at(number: int, work: Work) -> str:
    """Do `work` in a process whose store takes no change from such a crash point on; return which."""
    code, point = _struck(
        work, _watch_store, lambda point: _Countdown(number, point, _refuse, goes_on=True)
    )
    assert code == 0
    return point


def database_cut_at(number: int, work: Work) -> str:
    """Do `work` in a process whose database cuts it off at such a crash point; return which it was."""
    code, point = _struck(work, _watch_commits, lambda point: _Countdown(number, point, _cut))
    assert code == 0
    return point


def everywhere(attempt: Callable[[int], str], times: int, every: int = 1) -> list[str]:
    """Attempt the first, second, … crash point, each so many times, until there is none.

    With `every` only each crash point of that distance. Returns those met, in their order.
    """
    met: list[str] = []
    for number in range(1, MANY, every):
        points = {attempt(number) for _ in range(times)}
        if points == {""}:
            return met
        met.append("/".join(sorted(points)))
    raise AssertionError("the work does not come to its end")


class _Countdown:
    """Says which crash point is the one of that number, and lets something happen there.

    With `goes_on` it happens at all the later ones too.
    """

    def __init__(
        self, number: int, say: Reached, act: Callable[[], None], *, goes_on: bool = False
    ) -> None:
        self._left, self._say, self._act, self._goes_on = number, say, act, goes_on

    def __call__(self, point: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._say(point)
        if self._left == 0 or (self._left < 0 and self._goes_on):
            self._act()


def _struck(
    work: Work, watch: Callable[[Reached], None], countdown: Callable[[Reached], Reached]
) -> tuple[int, str]:
    """Do `work` in a watched process; return its exit code, and what it said was the crash point."""

    def run(say: Reached) -> None:
        watch(countdown(say))
        work()

    child = fork(run)
    child.go()
    code, lines = child.end()
    assert code in (0, -signal.SIGKILL), "\n".join(lines).replace(" | ", "\n")
    wait_for_other_backends()
    return code, lines[0] if lines else ""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _refuse() -> None:
    if isinstance(storages["uploads"], S3Store):
        raise EndpointConnectionError(endpoint_url="the store")
    raise OSError(errno.EIO, "Input/output error")


def _cut() -> None:
    if connection.vendor == "sqlite":  # it has no connection that could break
        raise OperationalError("disk I/O error")
    connection.connection.close()


def _all(reached: Reached) -> None:
    _watch_commits(reached)
    _watch_store(reached)


def _watch_store(reached: Reached) -> None:
    store = storages["uploads"]
    if isinstance(store, S3Store):
        _watch_requests(store.client, reached)
    else:
        _watch_files(str(store.path("")), reached)


def _watch_commits(reached: Reached) -> None:
    commit = connection.commit

    def committing() -> None:
        reached("commit")
        commit()

    def executing(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # To take or prolong a lease is not what a crash could leave half-done.
        if sql.startswith(_WRITES) and not connection.in_atomic_block and "lease" not in sql:
            reached(f"commit {sql.split(maxsplit=1)[0].lower()}")
        return execute(sql, params, many, context)

    connection.commit = committing  # type: ignore[method-assign]
    connection.execute_wrappers.append(executing)


def _watch_files(root: str, reached: Reached) -> None:
    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _ON_DISK and os.fsdecode(arguments[0]).startswith(root):
            reached(event.removeprefix("os."))

    sys.addaudithook(hear)


def _watch_requests(client: BaseClient, reached: Reached) -> None:
    client.close()  # the other process's connections are not ours

    def calling(model: Any, **_: Any) -> None:
        if not model.name.startswith(_S3_READS):
            reached(model.name)

    client.meta.events.register("before-call.s3", calling)
