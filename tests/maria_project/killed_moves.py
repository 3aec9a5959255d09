"""`python -m tests.maria_project.killed_moves FILE ROWS EVERY`: a move of which each run is killed.

A run dies as soon as it has committed a batch, and every third also before it commits. Of the
steps after the rows, one of EVERY is such an end. The last run is not killed; its output is printed.
At the end the indexes and constraints are compared with those that `migrate` makes.
"""

import os
import re
import signal
import sys
from pathlib import Path

import django


def main(file: str, rows: str, every: str) -> None:
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    def run(number: int) -> int:
        connections.close_all()
        if pid := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _die(number, int(every))
        call_command("move_database", source=Path(file), batch_rows=int(rows))
        sys.stdout.flush()
        os._exit(0)

    call_command("migrate", verbosity=0)
    before, deaths = schema(), 0
    while (code := run(deaths)) == -signal.SIGKILL:
        deaths += 1
    assert schema() == before
    print(f"killed {deaths} times, then {code}", flush=True)


def schema() -> list[str]:
    """Return the definitions of all indexes and constraints, without casts."""
    from maria_project.database_move.target import execute

    rows = execute(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL"
        " SELECT conrelid::regclass || conname || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    return sorted(re.sub(r"::[a-z ]+(\[\])?|[()]", "", definition) for (definition,) in rows)


def _die(number: int, every: int) -> None:
    from maria_project.database_move import progress
    from maria_project.management.commands.move_database import Command

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    steps = 0

    def kill_sometimes(_: object, name: str, done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if (done and not name.startswith(("indexes", "comparison"))) or steps == every:
            kill()

    Command._show = kill_sometimes  # type: ignore[method-assign, assignment]
    if number % 3 == 1:
        progress.Step.save = kill  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main(*sys.argv[1:])
