"""`python -m benchmarks`: what `make bench` runs.

The product and the baseline program use the same server with the same options,
the same database and the same disk. They run in turns, so that other load on the
machine affects both. A ratio is the product's rate divided by the baseline's.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks import report
from benchmarks.comparison import Comparison, compare
from benchmarks.deployment import postgres_and_redis, sqlite


def main(arguments: Sequence[str]) -> int:
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
    parser.add_argument("--sqlite", action="store_true", help="measure on SQLite only")
    # The number of threads of the server.
    parser.add_argument(
        "--connections", type=int, default=8, help="parallel connections (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each program (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=2, help="maximum length of a turn (default: %(default)s)"
    )
    parser.add_argument("--limit", type=int, default=100_000, help="maximum requests in a turn")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
