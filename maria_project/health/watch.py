"""The newest result of each check. In a web process, threads in the background make the checks."""

import logging
import threading
import time
from collections.abc import Iterator

from django.db import close_old_connections

from maria_project.health.parts import GROUPS, PARTS, PENDING, Part, problem_of

# A result is too old after the part's interval and this.
PATIENCE_SECONDS = 10
# While a part is not well, it is checked so often.
RETRY_SECONDS = 2

# Not a part that is checked.
PROCESS = "process"
LEAVING = "This process is about to stop."

logger = logging.getLogger(__name__)


class Watch:
    """Checks the parts in the background once it was started, otherwise when it is asked."""

    def __init__(self) -> None:
        # The process is about to stop.
        self.is_leaving = False
        self._is_started = False
        self._known: dict[str, tuple[str, float]] = {}

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

    def last(self) -> dict[str, str]:
        """Return what the last checks in the background found, empty texts included."""
        return {name: problem for name, (problem, _) in tuple(self._known.items())}

    @property
    def awaits_migrations(self) -> bool:
        return self._known.get("migrations", ("", 0.0))[0] == PENDING

    def _of(self, parts: Iterator[Part]) -> Iterator[tuple[str, str]]:
        for part in parts:
            yield part.name, self._last(part) if self._is_started else problem_of(part)

    def _last(self, part: Part) -> str:
        if part.name not in self._known:
            return "It was not checked yet."
        problem, then = self._known[part.name]
        age = time.monotonic() - then
        if age > part.seconds + PATIENCE_SECONDS:
            return f"The check has not ended for {age:.0f} seconds."
        return problem

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
        try:
            problem = problem_of(part)
        except Exception:  # otherwise the thread would end, and with it all later checks
            logger.exception("The check of %s failed.", part.name)
            problem = "The check failed. The log of the web process says why."
        self._known[part.name] = problem, time.monotonic()
        return min(part.seconds, RETRY_SECONDS) if problem else part.seconds


WATCH = Watch()
