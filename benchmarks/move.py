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

import psycopg

from benchmarks import report, resources
from benchmarks.deployment import ROOT, sqlite
from tests import postgres

SESSIONS = 100_000
LIMIT_SECONDS, LIMIT_MIB = 180, 300
_SAMPLE_SECONDS = 0.1
_SIZES = """
SELECT relname, reltuples::bigint, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 1048576
ORDER BY pg_total_relation_size(oid) DESC
"""


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with sqlite() as env, postgres.serving(fsync=True, on_disk=True) as server:
        file = options.file or _seeded(env, options.sessions)
        seconds, processor, mebibytes = _move({**env, "DATABASE_URL": server.url}, file)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            sizes = connection.execute(_SIZES).fetchall()
    print(f"{seconds:.0f} s, of which {processor:.0f} s on a processor; at most {mebibytes} MiB\n")
    rows = [[name, f"{n:,}", f"{table:,}", f"{index:,}"] for name, n, table, index in sizes]
    print(report.plain([["table", "rows", "bytes", "bytes of its indexes"], *rows]))
    return int(seconds > LIMIT_SECONDS or mebibytes > LIMIT_MIB) and not options.lenient


def _seeded(env: Mapping[str, str], sessions: int) -> Path:
    for arguments in (
        ["migrate", "-v0"],
        ["seed_demo", f"--sessions={sessions}", "--without-files"],
    ):
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, check=True)  # noqa: S603
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
    parser.add_argument("--lenient", action="store_true", help="exit with 0 also above a limit")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
