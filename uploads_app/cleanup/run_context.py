"""The options of a cleanup run, and the state that its phases share."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from uploads_app import marker
from uploads_app.cleanup.findings import REMOVED, TRASHED, Ages, FindingKind
from uploads_app.cleanup.removal import RemovalResult
from uploads_app.marker import Stop
from uploads_app.models import CleanupRun, Finding
from uploads_app.storage.base import ObjectStore

DEFAULT_LIMIT = 10_000
SAMPLE_SIZE = 200
BATCH = 500


def _ignore(*_: Any) -> None: ...


@dataclass(frozen=True)
class CleanupOptions:
    """How to run the cleanup.

    Younger objects than `grace` stay. At most `limit` files are removed or moved
    to the trash, and after `seconds` the next run continues. `allow_share` is the
    share of files that may be orphans or missing, or past their retention (1.0 is
    all of them). `accept_clock` trusts the clock after a long silence. Retentions
    that are not given come from the settings. `on_finding` is called with each
    finding that was applied (in a dry run: would be) or is only reported, in the
    same order for both; `progress` with the number of objects read so far.
    """

    grace: timedelta
    limit: int = DEFAULT_LIMIT
    dry_run: bool = False
    seconds: float = float("inf")
    allow_share: float | None = None
    accept_clock: bool = False
    retention: timedelta | None = None
    completed_retention: timedelta | None = None
    trash_retention: timedelta | None = None
    on_finding: Callable[[Finding], None] = _ignore
    progress: Callable[[int], None] = _ignore


@dataclass
class CleanupContext:
    """The state of one run."""

    run: CleanupRun
    options: CleanupOptions
    store: ObjectStore
    ages: Ages
    holder: str
    began: float = field(default_factory=time.monotonic)
    renewed: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    left: int = 0

    def record(self, finding: Finding) -> None:
        """Report a finding, and store the first ones with the run."""
        self.counts[finding.kind] += 1
        if len(self.run.sample) < SAMPLE_SIZE:
            self.run.sample.append(finding.as_dict())
        self.options.on_finding(finding)

    def count(self, kind: FindingKind, outcome: RemovalResult) -> None:
        """Add the result of a batch of one kind to the run's figures."""
        self.run.errors += outcome.failed
        if kind in REMOVED:
            self.run.removed += len(outcome.done)
            self.run.bytes_removed += sum(outcome.done.values())
        if kind == FindingKind.PAST_TRASH_RETENTION:
            self.run.purged += len(outcome.done)
        if kind in TRASHED:
            self.run.quarantined += len(outcome.done)

    def store_counts(self) -> None:
        """Copy the number of reported findings of each kind to the run."""
        self.run.findings = {
            kind.value: self.counts[kind] for kind in FindingKind if self.counts[kind]
        }

    def has_time(self, share: float = 1.0) -> bool:
        """Return whether less than this share of the run's time is used."""
        return time.monotonic() - self.began < self.options.seconds * share

    def keep_lease(self, seconds: float = 0) -> None:
        """Renew the lease, unless it was renewed less than `seconds` ago.

        Raises Stop if another run has it. Call it without `seconds` before a change.
        """
        if time.monotonic() - self.renewed < seconds:
            return
        if self.holder and not marker.renew_lease(self.holder):
            raise Stop("lease_lost", "Another run took the lease, because this run was too slow.")
        self.renewed = time.monotonic()
