"""What one run of the cleanup is asked for, and what its steps share."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from uploads_app import marker
from uploads_app.cleanup.reconcile import REMOVED, Ages, Finding, FindingKind
from uploads_app.cleanup.removal import RemovalResult
from uploads_app.marker import Stop
from uploads_app.models import CleanupRun
from uploads_app.storage.base import ObjectStore

DEFAULT_LIMIT = 10_000
SAMPLE_SIZE = 200
BATCH = 500
# What a run does by its rows alone, in this order.
BY_ROW = (FindingKind.LAPSED, FindingKind.UNFINISHED, FindingKind.PAST_RETENTION)
IN_QUARANTINE = (FindingKind.CUT_OFF, FindingKind.PAST_QUARANTINE)


def _ignore(*_: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class CleanupOptions:
    """How a run goes.

    Objects younger than `grace` stay; at most `limit` removals and moves; a run
    that may take only `seconds` leaves the rest to the next. `allow_share`
    lets more files than is plausible be on one side only (1.0 is all of them).
    The retentions are the settings' unless given. `told` is called with each
    finding that was acted on (in a dry run: would be) or is only told, in one
    order for both; `progress` with how many objects have been seen.
    """

    grace: timedelta
    limit: int = DEFAULT_LIMIT
    dry_run: bool = False
    seconds: float = float("inf")
    allow_share: float | None = None
    retention: timedelta | None = None
    completed_retention: timedelta | None = None
    trash_retention: timedelta | None = None
    on_finding: Callable[[Finding], None] = _ignore
    progress: Callable[[int], None] = _ignore


@dataclass
class CleanupContext:
    """What the steps of one run share."""

    run: CleanupRun
    options: CleanupOptions
    store: ObjectStore
    ages: Ages
    holder: str
    began: float = field(default_factory=time.monotonic)
    counts: Counter[FindingKind] = field(default_factory=Counter)
    left: int = 0

    def record(self, finding: Finding) -> None:
        """Tell of a finding, and keep the first ones for the run's record."""
        self.counts[finding.kind] += 1
        if len(self.run.sample) < SAMPLE_SIZE:
            self.run.sample.append(
                {"kind": finding.kind.value, "key": finding.label, "size": finding.size}
            )
        self.options.on_finding(finding)

    def count(self, kind: FindingKind, outcome: RemovalResult) -> None:
        """Count in the run's record what a batch of one kind has come to."""
        self.run.errors += outcome.failed
        if kind in REMOVED:
            self.run.removed += len(outcome.done)
            self.run.bytes_removed += sum(outcome.done.values())
        if kind == FindingKind.PAST_QUARANTINE:
            self.run.purged += len(outcome.done)
        if kind == FindingKind.ORPHAN:
            self.run.quarantined += len(outcome.done)

    def note_counts(self) -> None:
        """Write down with the run how many of each kind were told."""
        self.run.findings = {
            kind.value: self.counts[kind] for kind in FindingKind if self.counts[kind]
        }

    def has_time(self, share: float = 1.0) -> bool:
        """Say whether the run may go on, or a share of its time is not over yet."""
        return time.monotonic() - self.began < self.options.seconds * share

    def keep_lease(self) -> None:
        """Prolong the lease; raises Stop if another run has it."""
        if self.holder and not marker.renew_lease(self.holder):
            raise Stop("lease_lost", "Another run took over, because this one was too slow.")
