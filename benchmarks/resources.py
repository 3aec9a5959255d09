"""What a server's processes use, as Linux reports it in /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_KEPT_TIMES = slice(11, 15)  # utime, stime, and both of the children that have ended


def processor_seconds(pid: int) -> float:
    """Return the user and system time of a process and its descendants; 0 if it is not known."""
    return sum(map(_ticks, _tree(pid))) / os.sysconf("SC_CLK_TCK")


def mebibytes(pid: int) -> int:
    """Return the memory of a process and its descendants in MiB; 0 if it is not known.

    Of a page that several processes share, each has its part.
    """
    return round(sum(map(_kibibytes, _tree(pid))) / 1024)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for listed in (_PROC / str(pid) / "task").glob("*/children"):
            for child in listed.read_text().split():
                yield from _tree(int(child))


def _ticks(pid: int) -> int:
    with suppress(OSError):
        # The name of the program, in brackets, may have spaces.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[_KEPT_TIMES]))
    return 0


def _kibibytes(pid: int) -> int:
    with suppress(OSError):
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return 0
