"""What a fault is, and the list of all faults."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tests.cluster.cluster import Cluster
from tests.cluster.journal import Journal, Reply
from tests.cluster.visitors import WITHOUT_STORE
from tests.cluster.watcher import Watcher


class Away(StrEnum):
    """What the product cannot reach during a fault."""

    DATABASE = "database"
    STORE = "store"
    # Requests that were in a process which died or hangs.
    PROCESS = "process"


@dataclass
class Scene:
    """A cluster under load: what a fault acts on, and writes its findings to."""

    cluster: Cluster
    journal: Journal
    watcher: Watcher
    notes: list[str] = field(default_factory=list)
    # Findings that the row must not have.
    broken: list[str] = field(default_factory=list)


Act = Callable[[Scene], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """Injects something at the start of its block, and repairs it at the end.

    `seconds` is how long it lasts. `upload_bytes` is the size of the visitors' files.
    """

    name: str
    act: Callable[[Scene], AbstractContextManager[None]]
    away: frozenset[Away]
    seconds: float
    may_lose: bool
    in_short_form: bool
    upload_bytes: int

    def allows(self, reply: Reply) -> bool:
        """Return whether this failure is one that its request could not be spared."""
        if reply.is_in_a_dead_process:
            return Away.PROCESS in self.away
        needs_store = reply.operation not in WITHOUT_STORE
        return Away.DATABASE in self.away or (Away.STORE in self.away and needs_store)


FAULTS: dict[str, Fault] = {}


def fault(
    *away: Away,
    seconds: float = 6,
    may_lose: bool = False,
    in_short_form: bool = False,
    upload_bytes: int = 4000,
) -> Callable[[Act], Act]:
    """Register a generator as a fault: it injects, yields, and repairs."""

    def register(act: Act) -> Act:
        name = act.__name__.replace("_", "-")
        FAULTS[name] = Fault(
            name,
            contextmanager(act),
            frozenset(away),
            seconds,
            may_lose,
            in_short_form,
            upload_bytes,
        )
        return act

    return register
