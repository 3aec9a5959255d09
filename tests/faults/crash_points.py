"""Kills a process, or makes its store or database fail, at each crash point of a protocol.

A crash point is the moment before an effect: a commit, a write outside a
transaction, a change to the names in the folders of store and spool, the sync of a
file, a changing request to S3. A crash between two crash points loses only what is in memory. A process
counts its crash points while it runs. At the one with the given number it is
killed, or its store or database fails. No list of steps is written by hand, so
no step can be missing.
"""

import errno
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError
from django.conf import settings
from django.core.files.storage import storages
from django.db import OperationalError, connection

from tests.helpers import SOAK
from tests.processes import fork, wait_for_other_backends
from uploads_app.storage import renaming
from uploads_app.storage.s3_store import S3Store

# ./test tries each point once on each database with a disk, and once with S3.
ON_DISK, ON_S3 = (20, 20) if SOAK else (1, 1)
# For a long protocol on S3, ./test tries every fourth point; with a disk it tries all.
LONG_ON_S3 = 1 if SOAK else 4
# More crash points than any protocol has.
MANY = 1000
# Python's audit events for changes to the names in a folder. Neither empty folders nor new,
# empty files in the spool count.
_ON_DISK = frozenset({"os.link", "os.remove", "os.rename"})
_WRITES = ("INSERT", "UPDATE", "DELETE", "VACUUM")
_S3_READS = ("Get", "Head", "List")
Work = Callable[[], Any]
Reached = Callable[[str], None]


def killed_at(number: int, work: Work) -> str:
    """Run `work` in a process that is killed at crash point `number`; return that point's name.

    Empty if the process ended before it reached that point.
    """
    code, point = _struck(work, _all, lambda point: _Countdown(number, point, _die))
    assert code == (-signal.SIGKILL if point else 0)
    return point


def store_fails_at(number: int, work: Work) -> str:
    """Run `work` while the store refuses changes from that crash point on; return the point."""
    code, point = _struck(
        work, _watch_store, lambda point: _Countdown(number, point, _refuse, repeats=True)
    )
    assert code == 0
    return point


def database_cut_at(number: int, work: Work) -> str:
    """Run `work` in a process that loses its database at that crash point; return the point."""
    code, point = _struck(work, _watch_commits, lambda point: _Countdown(number, point, _cut))
    assert code == 0
    return point


def everywhere(attempt: Callable[[int], str], times: int, every: int = 1) -> list[str]:
    """Attempt the first, second, … crash point, each `times` times, until there are no more.

    `every` is the distance between the points tried. Returns the points reached, in order.
    """
    met: list[str] = []
    for number in range(1, MANY, every):
        points = {attempt(number) for _ in range(times)}
        if points == {""}:
            return met
        met.append("/".join(sorted(points)))
    raise AssertionError("the protocol has too many crash points")


class _Countdown:
    """Reports the crash point with the given number and runs `act` there.

    With `repeats` it also runs `act` at all later points.
    """

    def __init__(
        self, number: int, say: Reached, act: Callable[[], None], *, repeats: bool = False
    ) -> None:
        self._left, self._say, self._act, self._repeats = number, say, act, repeats

    def __call__(self, point: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._say(point)
        if self._left == 0 or (self._left < 0 and self._repeats):
            self._act()


def _struck(
    work: Work, watch: Callable[[Reached], None], countdown: Callable[[Reached], Reached]
) -> tuple[int, str]:
    """Run `work` in a watched process; return its exit code and the reported crash point."""

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
    if connection.vendor == "sqlite":  # SQLite has no connection that could break
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
        _watch_files((str(store.path("")), str(settings.FILE_UPLOAD_TEMP_DIR)), reached)


def _watch_commits(reached: Reached) -> None:
    commit = connection.commit

    def committing() -> None:
        reached("commit")
        commit()

    def executing(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # A crash cannot leave the change of a lease half-done.
        if sql.startswith(_WRITES) and not connection.in_atomic_block and "lease" not in sql:
            reached(f"commit {sql.split(maxsplit=1)[0].lower()}")
        return execute(sql, params, many, context)

    connection.commit = committing  # type: ignore[method-assign]
    connection.execute_wrappers.append(executing)


def _watch_files(folders: tuple[str, ...], reached: Reached) -> None:
    def on_audit_event(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _ON_DISK and os.fsdecode(arguments[0]).startswith(folders):
            reached(event.removeprefix("os."))

    def syncing(descriptor: Any) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            reached("sync")
        fsync(descriptor)

    fsync = os.fsync  # it has no audit event
    os.fsync = syncing  # type: ignore[assignment]
    sys.addaudithook(on_audit_event)
    rename = renaming._rename_in_one_step  # a system call without an audit event

    def watched(source: Path, target: Path) -> bool:
        reached("rename")
        return rename(source, target)

    renaming._rename_in_one_step = watched


def _watch_requests(client: BaseClient, reached: Reached) -> None:
    client.close()  # connections of the parent process cannot be shared

    def calling(model: Any, **_: Any) -> None:
        if not model.name.startswith(_S3_READS):
            reached(model.name)

    client.meta.events.register("before-call.s3", calling)
