"""The table of a rehearsal: a line for each fault, and below it what else is to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.cluster.fault import Fault, Scene
from tests.cluster.journal import Reply

LIVE_LIMIT_SECONDS = 0.5
_COLUMNS = (
    ("fault", 34), ("effects", 8), ("lost", 5), ("doubled", 8), ("5xx", 5), ("502/504", 8),
    ("no answer", 10), ("failing for", 12), ("live", 7),
)  # fmt: skip


@dataclass
class Row:
    """What one fault did."""

    fault: Fault
    scene: Scene
    # From the injection to the last failure that a visitor saw.
    seconds: float
    lost: list[str]
    doubled: list[str]
    mails: list[str]

    @cached_property
    def broken(self) -> list[str]:
        """The promises that were not kept."""
        return [
            *([] if self.fault.may_lose else [f"lost: {effect}" for effect in self.lost]),
            *(f"doubled: {effect}" for effect in self.doubled),
            *(_describe(reply) for reply in self._failures if not self.fault.allows(reply)),
            *([f"live needed {self._live:.2f} s"] if self._is_live_slow else []),
            *self.scene.broken,
        ]

    @property
    def cells(self) -> list[object]:
        """The values of the line."""
        count = self._failures_with
        return [
            self.fault.name,
            self.scene.journal.effects,
            len(self.lost),
            len(self.doubled),
            count(lambda reply: not reply.is_in_a_dead_process),
            count(lambda reply: reply.is_in_a_dead_process and reply.status > 0),
            count(lambda reply: reply.status == 0),
            f"{self.seconds:.1f} s",
            f"{self._live:.2f} s",
        ]

    @property
    def details(self) -> list[str]:
        """What is to know beside the line."""
        health = f"health: {self.scene.watcher}" if self.scene.watcher.said else ""
        mails = f"mail: {', '.join(self.mails)}" if self.mails else ""
        busy = self._live > LIVE_LIMIT_SECONDS and not self._is_live_slow
        live = "live waited for a processor: this machine is busy" if busy else ""
        return [text for text in (health, mails, live, *self.scene.notes) if text]

    @property
    def _live(self) -> float:
        return self.scene.watcher.slowest_live

    @property
    def _is_live_slow(self) -> bool:
        return self.scene.watcher.slowest_own_live > LIVE_LIMIT_SECONDS

    @property
    def _failures(self) -> list[Reply]:
        return [reply for reply in self.scene.journal.replies if reply.is_failure]

    def _failures_with(self, condition: Callable[[Reply], bool]) -> int:
        return sum(condition(reply) for reply in self._failures)


def print_title() -> None:
    """Print the names of the columns."""
    print("\n" + _line([name for name, _ in _COLUMNS]), flush=True)


def print_row(row: Row) -> None:
    """Print a line, its details, and the promises that were not kept."""
    print(_line(row.cells))
    for text in row.details:
        print(f"    {text}")
    for text in row.broken:
        print(f"    BROKEN: {text}")
    print(end="", flush=True)


def _line(cells: Sequence[object]) -> str:
    first, *others = (
        f"{cell!s:>{width}}" if index else f"{cell!s:<{width}}"
        for index, (cell, (_, width)) in enumerate(zip(cells, _COLUMNS, strict=True))
    )
    return "".join((first, *others))


def _describe(reply: Reply) -> str:
    return f"{reply.operation} got {reply.status or 'no answer'} {reply.code} after {reply.seconds:.1f} s"
