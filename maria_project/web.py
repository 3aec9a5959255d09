"""`python -m maria_project.web HOST PORT`: one web process.

`manage.py serve` starts `WEB_PROCESSES` of them on sockets that it has opened. waitress
serves many slow clients in one process: it calls the application only when a whole
request has arrived.
"""

import argparse
import gc
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from maria_project.listening import open_sockets
from maria_project.server.processor import PROCESSOR, Claims
from maria_project.version import VERSION

if TYPE_CHECKING:
    from maria_project.health.watch import Watch

THREADS = 8
CONNECTIONS = 2000
# A connection may have a body or an answer in a file.
FILES_OF_A_CONNECTION = 2
# For the database, logs, and what requests open while they run.
OTHER_FILES = 1000
MIB = 1024 * 1024


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM and for DRAIN_TIME, or until SIGINT; then finish what has begun."""
    command = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
    _count_in_files(command.counts)
    _use_pool(settings.DATABASES["default"])
    if command.successor:
        _refuse_to_wait_for_migrations()
    sockets = [socket.socket(fileno=number) for number in command.sockets]
    if command.counts:
        PROCESSOR.claims = Claims(command.counts.with_name("processors"))
    _serve(sockets or open_sockets(command.host, command.port), command.supervisor)


def _use_pool(database: dict[str, Any]) -> None:
    """Give this process a pool of connections, and deadlines, if its database is PostgreSQL."""
    if "postgresql" in database["ENGINE"]:
        from maria_project.postgresql import use_pool  # loads the driver

        use_pool(database)


def _refuse_to_wait_for_migrations() -> None:
    """End if migrations are pending: the process that is to be replaced still serves."""
    import django
    from django.db import DatabaseError, InterfaceError

    django.setup()
    from maria_project.health.parts import PENDING, is_migrated

    with suppress(DatabaseError, InterfaceError):  # Its health reports a database that is away.
        if not is_migrated():
            sys.exit(f"{PENDING} Then send SIGHUP again.")


def _serve(sockets: list[socket.socket], supervisor: int | None) -> None:
    from maria_project.server.loop import WebServer  # needs Django to be set up
    from maria_project.wsgi import application

    files = _allow_open_files(FILES_OF_A_CONNECTION * CONNECTIONS + OTHER_FILES)
    connections = min(CONNECTIONS, (files - OTHER_FILES) // FILES_OF_A_CONNECTION)
    # waitress has no option for the folder of its temporary files.
    tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)
    server = WebServer(
        application, sockets, THREADS, connection_limit=max(connections, 1), **options()
    )
    watch = _begin_checks()
    # What is loaded stays: no collection of garbage has to look through it.
    gc.freeze()

    def drain(*_: object) -> None:
        watch.is_leaving = True
        server.leave(settings.DRAIN_TIME.total_seconds())

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, lambda *_: server.leave())
    if supervisor is not None:
        server.follow(socket.socket(fileno=supervisor))
    server.run(each_turn=PROCESSOR.review)


def _begin_checks() -> "Watch":
    # These need the models, which the application loads.
    from backoffice_app.hosts import roll_call
    from backoffice_app.models import ProcessKind
    from maria_project.health.watch import WATCH

    WATCH.start()
    roll_call.begin(ProcessKind.WEB, VERSION)
    return WATCH


def options() -> dict[str, Any]:
    """Return the options of waitress that do not depend on where and how it is started."""
    return {
        "asyncore_use_poll": True,
        # Larger than the default of 8 KiB: 50 % more uploads per second.
        "recv_bytes": 64 * 1024,
        # As nginx has it.
        "max_request_header_size": 32 * 1024,
        # The parser knows the limit of each address.
        "max_request_body_size": sys.maxsize,
        # Above this a body is in a file, if there is no room for it in memory.
        "inbuf_overflow": 64 * 1024,
        # Above this a thread waits for the client. No visitor's file is that large.
        "outbuf_high_watermark": max(16 * MIB, settings.UPLOAD_MAX_BYTES + MIB),
        # The application reads the proxy headers itself (TRUSTED_PROXIES).
        "clear_untrusted_proxy_headers": False,
        "ident": None,
    }


def _count_in_files(counts: Path | None) -> None:
    """Let the metrics be counted in files of this name, or in memory without one.

    prometheus-client reads the variable when it is imported. It would name the files by
    process id, and each restart would leave more of them.
    """
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if counts:
        os.environ.update(PROMETHEUS_MULTIPROC_DIR=str(counts.parent))
        from prometheus_client import values

        values.ValueClass = values.MultiProcessValue(lambda: counts.name)  # type: ignore[no-untyped-call]


def _allow_open_files(wanted: int) -> int:
    """Raise the soft limit of open files, often 1,024, as far as the hard limit allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted if soft == resource.RLIM_INFINITY else soft


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m maria_project.web")
    parser.add_argument("host", nargs="?", default="127.0.0.1")
    parser.add_argument("port", nargs="?", type=int, default=8000)
    parser.add_argument(
        "--sockets", type=int, nargs="+", default=[], metavar="FD", help="listening sockets"
    )
    parser.add_argument("--supervisor", type=int, metavar="FD", help="a socket to the supervisor")
    parser.add_argument("--successor", action="store_true", help="end if migrations are pending")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="where metrics are counted")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
