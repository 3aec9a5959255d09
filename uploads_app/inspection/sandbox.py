"""Inspect a file in a process of its own, because a hostile file may crash it."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from uploads_app.inspection.program import NOT_BEGUN
from uploads_app.models import Inspection, Suspicion

# The only type that can be inspected.
PDF = "application/pdf"
MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 10
# Elapsed time, for a machine that is busy with other things.
WALL_SECONDS = 30
_PROGRAM = Path(__file__).with_name("program.py")
# Many times the longest verdict, but less than a pipe can buffer.
_ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Findings:
    verdict: Inspection
    suspicions: list[str] = field(default_factory=list)


TOO_EXPENSIVE = Findings(Inspection.UNREADABLE, [Suspicion.TOO_EXPENSIVE])


def inspect_content(content: IO[bytes]) -> Findings:
    """Inspect an open PDF, which must have a file descriptor.

    A file that crashes the process, or makes it run out of memory or time, is
    unreadable. Raises OSError if the inspection could not start; it can be
    retried then.
    """
    descriptor = content.fileno()
    content.seek(0)
    # No secrets in its environment, and a process group that signals to the worker do not reach.
    with subprocess.Popen(  # noqa: S603  (a program of this package)
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
            # Nothing reads meanwhile: a child that writes more than a pipe buffers blocks until its end.
            code = child.wait(WALL_SECONDS)
        except subprocess.TimeoutExpired:
            return TOO_EXPENSIVE
        finally:
            child.kill()
        if code == NOT_BEGUN:
            raise OSError("The inspection did not start.")
        return _read(child.stdout.read(_ANSWER_BYTES)) if code == 0 else TOO_EXPENSIVE


def _read(answer: bytes) -> Findings:
    """Parse the output of the program; an output that it cannot have written means unreadable."""
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
