"""`python -m tests.guards [--jobs N] [name …]`: change the product in one place at a time, and see a test turn red.

Names may hold * and ?, and name an area too: `uploads_app/*`. Exits with 1 if a
guard did not turn its tests red, or is out of date.
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

    @property
    def is_good(self) -> bool:
        return self.outcome == Colour.RED


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guards")
    parser.add_argument("names", nargs="*", metavar="name")
    parser.add_argument("--jobs", type=int, default=2, help="guards tried at a time (default 2)")
    options = parser.parse_args(arguments)
    guards = _selected(options.names)
    if not guards:
        parser.error("no guard has such a name")
    folder = scratch.begin_run()
    if node.is_installed():
        subprocess.run(node.shell("front_packages"), cwd=ROOT, check=True)
    return report(try_all(guards, folder, jobs=options.jobs))


def _selected(names: Sequence[str]) -> list[Guard]:
    def is_wanted(guard: Guard) -> bool:
        return any(
            fnmatch.fnmatchcase(one, name)
            for name in names
            for one in (guard.name, f"{guard.area}/{guard.name}")
        )

    return [guard for guard in read_guards() if not names or is_wanted(guard)]


def try_all(guards: Sequence[Guard], folder: Path, *, jobs: int) -> list[Result]:
    """Try guards, those of one suite one after the other, in as many copies of the tree as `jobs`."""
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

    results: list[Result] = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(work, group) for group in by_suite]):
            results += done.result()
    return results


def _suite(guard: Guard) -> str:
    return repr(guard.suite)


def _try_suite(workplace: Workplace, group: list[Guard]) -> Iterator[Result]:
    """Try the guards of one suite, after one run of it without a change, which must be green."""
    start = time.monotonic()
    colour, why = workplace.run(group[0].suite)
    for guard in group:
        if colour == Colour.GREEN:
            outcome, reason = _try(workplace, guard)
        else:
            outcome, reason = "not green before", why
        result = Result(guard, outcome, reason, time.monotonic() - start)
        print(_line(result), flush=True)
        yield result
        start = time.monotonic()


def _try(workplace: Workplace, guard: Guard) -> tuple[str, str]:
    try:
        with workplace.changed_by(guard):
            return workplace.run(guard.suite)
    except OutOfDate as error:
        return "out of date", str(error)


def report(results: Sequence[Result]) -> int:
    """Print a table of the results; return the exit code."""
    print(f"\n== {'guard':<58}{'result':<18}{'time':>7}")
    for area in AREAS:
        of_area = [result for result in results if result.guard.area == area]
        for result in sorted(of_area, key=lambda result: result.guard.name):
            print(_line(result))
        if of_area:
            good = sum(result.is_good for result in of_area)
            print(f"   {area}: {good} of {len(of_area)} turn a test red\n")
    good = sum(result.is_good for result in results)
    print(f"   in all: {good} of {len(results)} turn a test red", flush=True)
    return 0 if good == len(results) else 1


def _line(result: Result) -> str:
    name = f"{result.guard.area}/{result.guard.name}"
    why = "" if result.is_good else f"  {result.why}"
    return f"   {name:<58}{result.outcome:<18}{result.seconds:>5.0f} s{why}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
