"""`make bench-cleanup`: time and memory of a cleanup with nothing to do, and of deletions.

The same run measures three alternatives: listing the store only, a package that
a Django project could use (django-unused-media, on disk), and loading all keys
and all rows into memory. PostgreSQL uses fsync.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import report
from benchmarks.deployment import ROOT, sqlite
from tests import postgres, s3_server

_HEADINGS = [
    "store",
    "files",
    "what",
    "seconds",
    "times the listing",
    "rate per second",
    "peak MiB",
]


@dataclass(frozen=True)
class CleanupMeasurement:
    """The result of one step, with its seconds and the peak memory of its process."""

    seen: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return self.seen["seconds"]

    @property
    def memory(self) -> float:
        return self.seen["mebibytes"]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    rows, notes = [_HEADINGS], []
    for name, serving, counts in (
        ("disk", on_disk, options.disk),
        ("S3", on_s3, options.s3),
    ):
        peaks = []
        for count in counts:
            with serving() as env:
                measured = _measure(env, name, count, options)
            peaks.append(measured["scan"].memory)
            rows += _rows(name, count, measured)
        if len(peaks) > 1:
            notes.append(
                f"{name}: the peak memory for {counts[-1]:,} files is "
                f"{peaks[-1] / peaks[0]:.2f} times the peak memory for {counts[0]:,}."
            )
    print((report.markdown if options.markdown else report.plain)(rows))
    print("\n" + "\n".join(notes))
    return 0


@contextmanager
def on_disk() -> Iterator[dict[str, str]]:
    """Yield the environment of a migrated deployment on PostgreSQL and the disk."""
    with sqlite() as base, postgres.serving(fsync=True, on_disk=True) as database:
        env = {**base, "DATABASE_URL": database.url}
        _manage(env, "migrate", "-v0")
        yield env


@contextmanager
def on_s3() -> Iterator[dict[str, str]]:
    """Yield the environment of a migrated deployment on PostgreSQL and SeaweedFS."""
    with ExitStack() as stack:
        env = stack.enter_context(on_disk())
        server = stack.enter_context(s3_server.serving())
        bucket = server.make("maria-benchmark")
        yield {**env, "STORAGE_URL": bucket.url, "BENCH_S3_FOLDER": bucket.folder}


def _measure(
    env: dict[str, str], store: str, count: int, options: argparse.Namespace
) -> dict[str, CleanupMeasurement]:
    _manage(env, "cleanup_orphans")  # creates the marker while both are empty
    _step(env, "fill", count)
    steps = ["bare", "keys", "scan"] * options.rounds + ["naive"] + ["peer"] * (store == "disk")
    measured: dict[str, list[CleanupMeasurement]] = {}
    for step in steps:
        measured.setdefault(step, []).append(_step(env, step))
    for step in ("remove", "trash"):
        measured[step] = [_step(env, step, min(options.remove, count // 4))]
    # The fastest of each: other load on the machine only adds time.
    return {step: min(turns, key=lambda turn: turn.seconds) for step, turns in measured.items()}


def _rows(store: str, count: int, measured: Mapping[str, CleanupMeasurement]) -> list[list[str]]:
    base = measured["bare"].seconds
    names = {
        "bare": "listing only",
        "keys": "listing only, without sizes and times",
        "scan": "cleanup, nothing to do",
        "naive": "all keys and all rows in memory",
        "peer": "django-unused-media",
    }
    rows = [
        [
            store, f"{count:,}", name, f"{measured[step].seconds:.1f}",
            f"{measured[step].seconds / base:.2f} ×",
            f"{count / measured[step].seconds:,.0f} files", f"{measured[step].memory:.0f}",
        ]
        for step, name in names.items()
        if step in measured
    ]  # fmt: skip
    changes = {"remove": "to delete", "trash": "to move to the trash"}
    return rows + [_changed(store, count, measured, step, name) for step, name in changes.items()]


def _changed(
    store: str, count: int, measured: Mapping[str, CleanupMeasurement], step: str, name: str
) -> list[str]:
    """Return the row of a run that changes something: its rate is beyond a run that does not."""
    changed = measured[step]
    beyond = max(changed.seconds - measured["scan"].seconds, 0.001)
    number = changed.seen["removed"]
    return [
        store, f"{count:,}", f"cleanup, {number:,} {name}", f"{changed.seconds:.1f}", "",
        f"{number / beyond:,.0f} files", f"{changed.memory:.0f}",
    ]  # fmt: skip


def _step(env: Mapping[str, str], name: str, number: int = 0) -> CleanupMeasurement:
    settings = (
        {"DJANGO_SETTINGS_MODULE": "benchmarks.unused_media.settings"} if name == "peer" else {}
    )
    done = subprocess.run(  # noqa: S603  (our own command line)
        [sys.executable, "-m", "benchmarks.cleanup_steps", name, str(number)],
        cwd=ROOT, env={**env, **settings}, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    print(name, done.stdout.decode().strip(), file=sys.stderr)
    return CleanupMeasurement(json.loads(done.stdout))


def _manage(env: Mapping[str, str], *arguments: str) -> None:
    subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cleanup")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument("--disk", type=int, nargs="*", default=[10_000, 1_000_000], metavar="N")
    parser.add_argument("--s3", type=int, nargs="*", default=[10_000, 200_000], metavar="N")
    parser.add_argument("--remove", type=int, default=20_000, metavar="N")
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="rounds, of which the fastest counts (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
