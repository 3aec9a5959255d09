"""`python -m benchmarks`: what `make bench` runs.

Product and bare program answer through the same server with the same options,
from the same database and disk, and take turns, so that whatever else the
machine does meets both. A ratio is the product's rate divided by the bare one's.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks import report
from benchmarks.comparison import Comparison, compare
from benchmarks.deployment import postgres_and_redis, sqlite


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit code is 0."""
    options = _parser().parse_args(arguments)
    databases: dict[str, AbstractContextManager[dict[str, str]]] = {"SQLite": sqlite()}
    if not options.sqlite:
        databases["PostgreSQL, Redis"] = postgres_and_redis()
    comparisons: list[Comparison] = []
    for name, deployment in databases.items():
        with deployment as env:
            comparisons.append(
                compare(
                    name,
                    env,
                    connections=options.connections,
                    rounds=options.rounds,
                    seconds=options.seconds,
                    limit=options.limit,
                )
            )
    print((report.markdown if options.markdown else report.plain)(report.table(comparisons)))
    print("\n" + "\n".join(map(report.memory, comparisons)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the tables of docs/benchmarks.md"
    )
    parser.add_argument("--sqlite", action="store_true", help="leave PostgreSQL out")
    # As many as the server has threads.
    parser.add_argument("--connections", type=int, default=8, help="at a time (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=2, help="length of a turn at most (%(default)s)"
    )
    parser.add_argument("--limit", type=int, default=100_000, help="requests of a turn at most")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
