"""What the visitors of a rehearsal sent, were answered, and may rely on."""

import threading
import time
from dataclasses import dataclass, field

# Answers of the proxy when a process died or hung with the request.
OF_THE_PROXY = (502, 504)
NO_ANSWER = 0


@dataclass(frozen=True)
class Reply:
    """An answer, or none (status 0), to one attempt of an operation."""

    operation: str
    status: int
    started: float
    seconds: float
    code: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the server or the network failed."""
        return self.status >= 500 or self.status == NO_ANSWER

    @property
    def is_in_a_dead_process(self) -> bool:
        """Whether the request was cut off, and so may have had its effect."""
        return self.status in (*OF_THE_PROXY, NO_ANSWER)


@dataclass
class Journal:
    """Thread-safe, because lists and dictionaries are."""

    replies: list[Reply] = field(default_factory=list)
    created: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    # The id of a file, and the SHA-256 of its bytes.
    stored: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    # Deletions that were sent, whether they were answered or not.
    to_delete: set[str] = field(default_factory=set)
    # Downloads whose bytes were not those of the file.
    spoiled: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def effects(self) -> int:
        """How many effects were acknowledged."""
        return sum(map(len, (self.created, self.ended, self.stored, self.deleted)))

    def last_failure(self) -> float:
        """Return when the last failure was answered; 0 without one."""
        failures = [reply.started + reply.seconds for reply in self.replies if reply.is_failure]
        return max(failures, default=0.0)

    def has_successes_since(self, moment: float, operations: frozenset[str]) -> bool:
        """Return whether each operation has succeeded with a request that was sent later."""
        done = {r.operation for r in self.replies if r.started > moment and not r.is_failure}
        return operations <= done


def now() -> float:
    """Return the time of the script, which no fault changes."""
    return time.monotonic()
