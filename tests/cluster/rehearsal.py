"""Puts a cluster through faults under load, and prints what they did; see __main__.py."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import faults_of_hosts, faults_of_services, faults_of_versions  # noqa: F401
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.effects import Effects
from tests.cluster.fault import FAULTS, Fault, Scene
from tests.cluster.inside import run
from tests.cluster.journal import Journal, now
from tests.cluster.table import Row, print_row, print_title
from tests.cluster.visitors import OPERATIONS, visiting
from tests.cluster.watcher import watching

WARM_UP_SECONDS = 2
# After the repair, everything must succeed again within this time.
RECOVERY_SECONDS = 200


def main(arguments: list[str]) -> int:
    """Rehearse the chosen faults; return 1 if one of them broke a promise."""
    options = _parser().parse_args(arguments)
    chosen = [*_chosen(options.fault, options.short)]
    print(f"Starting ten hosts for {len(chosen)} faults …", flush=True)
    cluster = Cluster(options.folder)
    cluster.start()
    print_title()
    known: set[str] = set()
    has_broken = False
    for fault in chosen:
        row = rehearse(cluster, fault, known)
        print_row(row)
        has_broken |= bool(row.broken)
    return int(has_broken)


def rehearse(cluster: Cluster, fault: Fault, known: set[str]) -> Row:
    """Inject one fault while visitors use the product; return what happened.

    Doubled effects are in the row of the fault that doubled them: `known` has those before it.
    """
    journal, mails = Journal(), len(cluster.mailbox.messages)
    certificate = str(cluster.certificate)
    with (
        watching(cluster.web_hosts) as watcher,
        visiting(cluster.url, certificate, journal, fault.upload_bytes),
    ):
        scene = Scene(cluster, journal, watcher)
        _wait_for_successes(journal, 0.0)
        time.sleep(WARM_UP_SECONDS)
        begun = now()
        with fault.act(scene):
            time.sleep(fault.seconds)
        watcher.down.clear()
        _wait_for_successes(journal, now())
    effects = Effects(cluster)
    doubled = set(effects.doubled()) - known
    known |= doubled
    return Row(
        fault,
        scene,
        seconds=max(journal.last_failure() - begun, 0.0),
        lost=effects.lost(journal),
        doubled=sorted(doubled),
        mails=[str(mail["Subject"]) for mail in cluster.mailbox.messages[mails:]],
    )


def _wait_for_successes(journal: Journal, since: float) -> None:
    wait_for(
        lambda: journal.has_successes_since(since, OPERATIONS - {"end"}),
        "every operation to succeed again",
        RECOVERY_SECONDS,
    )


def _chosen(names: Sequence[str], short: bool) -> Iterator[Fault]:
    for fault in FAULTS.values():
        if (not names or fault.name in names) and (fault.in_short_form or not short):
            yield fault


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster-faults")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fault", choices=FAULTS, action="append", default=[])
    parser.add_argument("--short", action="store_true")
    return parser


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
