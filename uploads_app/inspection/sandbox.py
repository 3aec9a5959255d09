"""The look inside a file: in a process of its own, which may die of it and says so by dying."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from uploads_app.inspection.pdf import NOT_BEGUN
from uploads_app.models import Inspection, Suspicion

# What can be looked into.
PDF = "application/pdf"
MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 10
# By the clock on the wall, for a machine that is busy with other things.
WALL_SECONDS = 30
_PROGRAM = Path(__file__).with_name("pdf.py")
# Whatever a verdict can say, many times over; a pipe holds more.
_ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Findings:
    """What a look inside has found, and why."""

    verdict: Inspection
    suspicions: list[str] = field(default_factory=list)


TOO_EXPENSIVE = Findings(Inspection.UNREADABLE, [Suspicion.TOO_EXPENSIVE])


def inspect_content(content: IO[bytes]) -> Findings:
    """Judge an open PDF that has a descriptor of its own.

    A file that kills the process or lets it run out of memory or time is
    unreadable. Raises OSError if the look could not be begun: that says
    nothing about the file, so it can be tried again.
    """
    descriptor = content.fileno()
    content.seek(0)
    # An environment without secrets, and a session that signals to the worker do not reach.
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-I", str(_PROGRAM), str(MEMORY_BYTES), str(CPU_SECONDS)],
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        try:
            # Nobody reads meanwhile: who says more than a pipe holds waits for its end.
            code = child.wait(WALL_SECONDS)
        except subprocess.TimeoutExpired:
            return TOO_EXPENSIVE
        finally:
            child.kill()
        if code == NOT_BEGUN:
            raise OSError("a file could not be looked into: the program did not begin")
        return _read(child.stdout.read(_ANSWER_BYTES)) if code == 0 else TOO_EXPENSIVE


def _read(answer: bytes) -> Findings:
    """Read the program's answer; what it cannot have said counts as unreadable."""
    try:
        match json.loads(answer):
            case {
                "verdict": ("clean" | "suspect" | "unreadable") as verdict,
                "suspicions": list(found),
            }:
                return Findings(Inspection(verdict), [str(Suspicion(name)) for name in found])
    except (ValueError, RecursionError):
        pass
    return TOO_EXPENSIVE
