"""`python -m benchmarks`: what `make bench` runs.

The product is compared with a bare program, with an earlier commit of itself (`--base`), with a
peer and, on SQLite, with Better Auth. All take turns, so that other load on the machine affects
all of them. A ratio compares the product's turn with the other's turn of the same round.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

from benchmarks import programs, report
from benchmarks.base import Checkout, checkout
from benchmarks.cases import CASES
from benchmarks.comparison import Effort, compare
from benchmarks.deployment import DEPLOYMENTS

_TABLES = {
    "requests per second": report.rates,
    "processor time per request, ms": report.processor_times,
    "time until the answer, p50 and p95, ms": report.answer_times,
}


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    effort = Effort(options.connections, options.rounds, options.seconds, options.requests)
    cases = [case for case in CASES if options.case in (None, case.name)]
    with checkout(options.base) if options.base else nullcontext() as base:
        for name in options.database or DEPLOYMENTS:
            title, deployment = DEPLOYMENTS[name]
            with deployment() as env:
                plan = programs.record(env)
                compared = compare(title, [*_programs(env, plan, base)], cases, plan.body, effort)
            for heading, table in _TABLES.items():
                shown = (report.markdown if options.markdown else report.plain)(table(compared))
                print(f"\n{title}: {heading}\n\n{shown}")
            print(f"\n{report.memory(compared)}", flush=True)
    return 0


def _programs(
    env: Mapping[str, str], plan: programs.Plan, base: Checkout | None
) -> Iterator[programs.Program]:
    yield programs.product(env, plan)
    if base:
        yield programs.earlier(env, plan, base)
    yield programs.bare(env, plan)
    yield programs.peer(env, plan)
    if programs.can_run_better_auth(env):
        yield programs.better_auth(env)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    add = parser.add_argument
    add("--base", metavar="COMMIT", help="compare with this commit, too")
    add("--database", action="append", choices=DEPLOYMENTS, help="measure only on this database")
    add("--case", choices=[case.name for case in CASES], help="measure only this request")
    add("--markdown", action="store_true", help="print the tables of docs/benchmarks.md")
    # The number of threads of the server.
    add("--connections", type=int, default=8, help="parallel connections (default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each program (default: %(default)s)")
    add("--seconds", type=float, default=2, help="longest turn (default: %(default)s)")
    add("--requests", type=int, default=100_000, help="maximum requests in a turn")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
