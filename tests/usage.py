"""Run a program's main function in a child process and measure the processor time of all its descendants."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36


def measured(main: Callable[[], int]) -> int:
    """Fork, run `main` in the child and return its exit code; print the processor time at the end.

    Processes whose parent has ended become children of this one (on Linux),
    so the sum includes every descendant that has ended. Processes that still
    run are not counted: the watchdog of the run ends them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    # Ctrl-C reaches the child too, which cleans up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: _pass_on(child, number))
    status = _reap_until(child)
    print(
        f"\nprocessor time of all processes: {children_seconds() + own_seconds():.0f} s", flush=True
    )
    return status


def children_seconds() -> float:
    """Return the processor time of the children that have ended, and of those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def own_seconds() -> float:
    """Return the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _pass_on(child: int, number: int) -> None:
    with suppress(ProcessLookupError):  # the signal may have reached it too
        os.kill(child, number)


def _reap_until(child: int) -> int:
    """Wait for ending children until this one ends; return its exit code."""
    while True:
        with suppress(InterruptedError):
            pid, status = os.wait()
            if pid == child:
                break
    # Others that ended at the same moment; the watchdog still runs.
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
