"""`python -m tests.guards [--jobs N] [name …]`: break the product in one place at a time, and check that a test fails.

Names may hold * and ?, and begin with an area: `uploads_app/*`. Exits with 1 if a
guard did not fail its tests, or is out of date.
"""

import argparse
import fnmatch
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests import node, scratch
from tests.guards.guard import AREAS, Guard, OutOfDate, read_guards
from tests.guards.workplace import ROOT, Colour, Workplace


@dataclass
class Result:
    guard: Guard
    outcome: str
    why: str
    seconds: float

    def __str__(self) -> str:
        why = "" if self.outcome == Colour.RED else f"  {self.why}"
        return f"   {_label(self.guard):<58}{self.outcome:<18}{self.seconds:>5.0f} s{why}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guards")
    parser.add_argument("names", nargs="*", default=["*"], metavar="name")
    parser.add_argument("--jobs", type=int, default=2, help="guards tried at a time (default 2)")
    options = parser.parse_args(arguments)
    guards = [
        guard
        for guard in read_guards()
        for name in (guard.name, _label(guard))
        if any(fnmatch.fnmatchcase(name, wanted) for wanted in options.names)
    ]
    if not guards:
        parser.error("no guard has such a name")
    folder = scratch.begin_run()
    if node.is_installed():
        subprocess.run(node.shell("front_packages"), cwd=ROOT, check=True)
    return _report(_try_all(list(dict.fromkeys(guards)), folder, jobs=options.jobs))


def _label(guard: Guard) -> str:
    return f"{guard.area}/{guard.name}"


def _try_all(guards: Sequence[Guard], folder: Path, *, jobs: int) -> list[Result]:
    """Try guards, those of one suite one after the other, in `jobs` copies of the tree."""
    by_suite = [list(group) for _, group in groupby(sorted(guards, key=_suite), _suite)]
    workplaces: queue.Queue[Workplace] = queue.Queue()
    for number in range(min(jobs, len(by_suite))):
        workplaces.put(Workplace(folder / f"copy-{number}"))

    def work(group: list[Guard]) -> list[Result]:
        workplace = workplaces.get()
        try:
            return list(_try_suite(workplace, group))
        finally:
            workplaces.put(workplace)

    with ThreadPoolExecutor(jobs) as pool:
        finished = as_completed([pool.submit(work, group) for group in by_suite])
        return [result for one in finished for result in one.result()]


def _suite(guard: Guard) -> str:
    return repr(guard.suite)


def _try_suite(workplace: Workplace, group: list[Guard]) -> Iterator[Result]:
    """Try the guards of one suite, after one run of it without a change, which must be green."""
    start = time.monotonic()
    colour, why = workplace.run(group[0].suite)
    for guard in group:
        outcome, reason = (
            _try(workplace, guard) if colour == Colour.GREEN else ("not green before", why)
        )
        result = Result(guard, outcome, reason, time.monotonic() - start)
        print(result, flush=True)
        yield result
        start = time.monotonic()


def _try(workplace: Workplace, guard: Guard) -> tuple[str, str]:
    try:
        with workplace.changed_by(guard):
            return workplace.run(guard.suite)
    except OutOfDate as error:
        return "out of date", str(error)


def _report(results: Sequence[Result]) -> int:
    """Print a table of the results; return the exit code."""
    print(f"\n== {'guard':<58}{'result':<18}{'time':>7}")
    print(*sorted(results, key=lambda result: _label(result.guard)), sep="\n")
    for area in (*AREAS, ""):
        of_area = [result for result in results if area in ("", result.guard.area)]
        good = sum(result.outcome == Colour.RED for result in of_area)
        print(f"   {area or 'in all'}: {good} of {len(of_area)} turn a test red", flush=True)
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
