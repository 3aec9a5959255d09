"""Inspect a file in a process of its own, because a hostile file may crash it."""

import json
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from uploads_app.inspection.program import NOT_BEGUN
from uploads_app.models import Inspection, Suspicion

# The only type that can be inspected.
PDF = "application/pdf"
MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 10
# Elapsed time: on a busy machine an honest file gets its processor time even at a twelfth of a core.
WALL_SECONDS = 120
_PROGRAM = Path(__file__).with_name("program.py")
# Many times the longest verdict, but less than a pipe can buffer.
_ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Findings:
    """A verdict; the milliseconds of processor time it cost; whether the process ran out of time."""

    verdict: Inspection
    suspicions: list[str] = field(default_factory=list)
    cost: int = 1
    ran_out: bool = False


TOO_EXPENSIVE = Findings(Inspection.UNREADABLE, [Suspicion.TOO_EXPENSIVE])


def inspect_content(content: IO[bytes], seconds: int = CPU_SECONDS) -> Findings:
    """Inspect an open PDF, which must have a file descriptor, in some seconds of processor time.

    A file that crashes the process, or makes it run out of memory or time, is
    unreadable. Raises OSError if the inspection could not start; it can be
    retried then.
    """
    descriptor = content.fileno()
    content.seek(0)
    before = _children_cost()
    # No secrets in its environment, and a process group that signals to the worker do not reach.
    with subprocess.Popen(  # noqa: S603  (a program of this package)
        [sys.executable, "-I", str(_PROGRAM), str(MEMORY_BYTES), str(seconds)],
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as child:
        found = _findings(child)
    cost = _children_cost() - before
    # A process over its processor time is killed by the kernel; one over its elapsed time by us.
    ran_out = child.returncode == -signal.SIGKILL and found is TOO_EXPENSIVE
    return replace(found, cost=max(cost, 1), ran_out=ran_out)


def _findings(child: "subprocess.Popen[bytes]") -> Findings:
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


def _children_cost() -> int:
    """Return the processor time of all ended child processes, in milliseconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(1000 * (usage.ru_utime + usage.ru_stime))


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
