"""`make bench-move`: move a deployment with an invented history from SQLite to PostgreSQL.

The history is that of `make bench-admin`. The move is a process of its own; its time, its
processor time and its largest resident memory are reported. The exit code is 1 if it misses a
documented limit.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import report, resources
from benchmarks.deployment import ROOT, sqlite
from tests import postgres

SESSIONS = 100_000
LIMIT_SECONDS, LIMIT_MIB = 180, 300
_SAMPLE_SECONDS = 0.1
_SIZES = """
SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 1048576
ORDER BY pg_total_relation_size(oid) DESC
"""
_SESSIONS, _EVENTS = "sessions_app_usersession", "audit_app_auditlog"


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with sqlite() as base, postgres.serving(fsync=True, on_disk=True) as server:
        file = options.file or _seeded(base, options.sessions)
        _manage({**base, "DATABASE_URL": f"sqlite:///{file.absolute()}"}, "migrate", "-v0")
        env = {**base, "DATABASE_URL": server.url}
        seconds, processor, mebibytes = _move(env, file)
        print(
            f"{seconds:.0f} s, of which {processor:.0f} s on a processor; at most {mebibytes} MiB."
            f" The old database has {file.stat().st_size:,} bytes."
        )
        _print_sizes(server.url, "after the move")
        for undone in options.undo:
            _manage(env, "migrate", *undone.split(":"), "-v0")
        if options.undo:
            _print_sizes(server.url, f"without what follows {', '.join(options.undo)}")
    return int(seconds > LIMIT_SECONDS or mebibytes > LIMIT_MIB) and not options.lenient


def _print_sizes(url: str, title: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        sizes = connection.execute(_SIZES).fetchall()
        sessions, events = (_count(connection, table) for table in (_SESSIONS, _EVENTS))
    of_log = sum(sum(row[1:]) for row in sizes if row[0].startswith("audit_app_"))
    of_all = sum(sum(row[1:]) for row in sizes)
    print(f"\n{title}: {sessions:,} sessions, {events:,} events")
    print(f"{of_all / sessions:,.0f} bytes for a session, {of_log / events:,.0f} for an event\n")
    rows = [[name, f"{table:,}", f"{index:,}"] for name, table, index in sizes]
    print(report.plain([["table", "bytes", "bytes of its indexes"], *rows]), flush=True)


def _count(connection: "psycopg.Connection[Any]", table: str) -> int:
    ((number,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
    return int(number)


def _manage(env: Mapping[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, check=True)  # noqa: S603


def _seeded(env: Mapping[str, str], sessions: int) -> Path:
    _manage(env, "migrate", "-v0")
    _manage(env, "seed_demo", f"--sessions={sessions}", "--without-files")
    return Path(env["DATA_DIR"], "db.sqlite3")


def _move(env: Mapping[str, str], file: Path) -> tuple[float, float, int]:
    """Move the database; return seconds, processor seconds and MiB of the process."""
    command = [sys.executable, "manage.py", "move_database", "--from", str(file)]
    began, processor, most = time.monotonic(), 0.0, 0
    with subprocess.Popen(command, cwd=ROOT, env=env) as process:  # noqa: S603  (our own command line)
        while process.poll() is None:
            processor = max(processor, resources.processor_seconds(process.pid))
            most = max(most, resources.mebibytes(process.pid))
            time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit("The move failed.")
    return time.monotonic() - began, processor, most


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.move")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="(default: %(default)s)")
    parser.add_argument("--file", type=Path, help="a database to move instead; it is marked")
    parser.add_argument(
        "--undo",
        action="append",
        default=[],
        metavar="APP:NUMBER",
        help="then migrate back, and print the sizes again",
    )
    parser.add_argument("--lenient", action="store_true", help="exit with 0 also above a limit")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
