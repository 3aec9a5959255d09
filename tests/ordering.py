"""The order of tests: each process starts with slow ones, so that no process ends late with one.

pytest-xdist gives each process one piece of the list. A process that is done
takes tests from the end of another's piece.
"""

from collections.abc import Sequence
from itertools import cycle, groupby

import pytest


def slow_first(tests: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests so that each process's piece begins with its share of the slow ones.

    Slow tests of one file stay together: they share servers.
    """
    slow = [test for test in tests if test.get_closest_marker("slow")]
    quick = [test for test in tests if not test.get_closest_marker("slow")]
    hands: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for hand, (_, of_one_file) in zip(cycle(hands), groupby(slow, lambda test: test.path)):
        hand.extend(of_one_file)
    ordered: list[pytest.Item] = []
    for number, hand in enumerate(hands):
        size = (len(tests) - len(ordered)) // (processes - number)
        fill = max(0, size - len(hand))
        ordered += [*hand, *quick[:fill]]
        quick = quick[fill:]
    return ordered + quick
