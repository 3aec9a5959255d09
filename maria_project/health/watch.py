"""The newest result of each check. In a web process, threads in the background make the checks."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import close_old_connections
from django.utils import timezone

from maria_project.health.parts import GROUPS, PARTS, PENDING, Part, problem_of

# A result is too old after the part's interval and this.
PATIENCE_SECONDS = 10
# While a part is not well, it is checked so often.
RETRY_SECONDS = 2

# Not a part that is checked.
PROCESS = "process"
LEAVING = "This process is about to stop."

logger = logging.getLogger(__name__)


class PartCheck(NamedTuple):
    """What a check found, when, how long it took, and when it ended by the monotonic clock."""

    problem: str
    at: datetime
    seconds: float
    ended: float


class Watch:
    """Checks the parts in the background once it was started, otherwise when it is asked."""

    def __init__(self) -> None:
        # The process is about to stop.
        self.is_leaving = False
        self._is_started = False
        self._known: dict[str, PartCheck] = {}

    def start(self) -> None:
        """Start one thread for each group. They end with the process."""
        self._is_started = True
        for group in GROUPS:
            threading.Thread(target=self._check_for_ever, args=(group,), daemon=True).start()

    def problems(self) -> dict[str, str]:
        """Return what is wrong with each part, empty if nothing is.

        If an essential part is not well, only the essential parts are returned: the others
        need them. A process that is about to stop is the only part.
        """
        if self.is_leaving:
            return {PROCESS: LEAVING}
        found = dict(self._of(part for part in PARTS if part.is_essential))
        if any(found.values()):
            return found
        return found | dict(self._of(part for part in PARTS if not part.is_essential))

    def last(self) -> dict[str, PartCheck]:
        """Return the last checks in the background."""
        return dict(self._known)

    @property
    def awaits_migrations(self) -> bool:
        check = self._known.get("migrations")
        return check is not None and check.problem == PENDING

    def _of(self, parts: Iterator[Part]) -> Iterator[tuple[str, str]]:
        for part in parts:
            yield part.name, self._last(part) if self._is_started else problem_of(part)

    def _last(self, part: Part) -> str:
        if part.name not in self._known:
            return "It was not checked yet."
        check = self._known[part.name]
        age = time.monotonic() - check.ended
        if age > part.seconds + PATIENCE_SECONDS:
            return f"The check has not ended for {age:.0f} seconds."
        return check.problem

    def _check_for_ever(self, group: tuple[Part, ...]) -> None:
        due = dict.fromkeys(group, 0.0)
        while True:
            for part in group:
                if time.monotonic() >= due[part]:
                    due[part] = time.monotonic() + self._check(part)
            close_old_connections()
            time.sleep(max(0.0, min(due.values()) - time.monotonic()))

    def _check(self, part: Part) -> float:
        """Check a part; return the seconds until its next check."""
        began = time.monotonic()
        try:
            problem = problem_of(part)
        except Exception:  # otherwise the thread would end, and with it all later checks
            logger.exception("The check of %s failed.", part.name)
            problem = "The check failed. The log of the web process says why."
        ended = time.monotonic()
        self._known[part.name] = PartCheck(problem, timezone.now(), ended - began, ended)
        return min(part.seconds, RETRY_SECONDS) if problem else part.seconds


WATCH = Watch()
