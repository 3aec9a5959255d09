"""`manage.py serve`: everything `./run` starts, in one terminal."""

import signal
import socket
import sys
import threading
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from backoffice_app.accounts.first_staff import create_first_staff
from common.worker import heartbeat_age
from maria_project.health.parts import is_migrated
from maria_project.listening import open_sockets
from maria_project.settings.environment import env
from maria_project.supervisor import ChildProcess, RunningProcess, end, has_terminal, supervise
from maria_project.web_processes import web_children

TASK_SECONDS = int(settings.Q_CLUSTER["timeout"])
# A heartbeat may wait behind tasks that take the full time.
HEARTBEAT_SECONDS = TASK_SECONDS + 60


class Command(BaseCommand):
    help = (
        "Migrates the database, creates the first staff user, and runs the web processes and the "
        "worker until Ctrl-C or SIGTERM. docs/settings.md lists the settings."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=env.str("HOST", "") or "127.0.0.1")
        parser.add_argument("--port", default=env.str("PORT", "") or "8000")
        parser.add_argument(
            "--heartbeat-seconds",
            type=int,
            default=HEARTBEAT_SECONDS,
            metavar="N",
            help="restart the worker if it finishes no task for N seconds (default: %(default)s)",
        )
        parser.add_argument(
            "--web-only",
            action="store_true",
            help="without the worker (manage.py qcluster), and with log lines on standard error",
        )
        parser.add_argument(
            "--demo",
            action="store_true",
            help="use invented data in var/demo, and print a log-in for each staff role",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], _port(options["port"])
        if options["demo"]:
            _require_demo_settings()
        sockets = _open_sockets(host, port)
        self._prepare()
        staff_lines = _demo_lines() if options["demo"] else _first_staff_lines()
        connection.close()
        self._greet(host, port)
        for line in staff_lines:
            self._write_line(line)
        self._run(sockets, options)

    def _prepare(self) -> None:
        self.check()
        if not settings.PRODUCTION:
            call_command("migrate", verbosity=0)
        elif not is_migrated():
            raise CommandError("The database is not migrated. Run `manage.py migrate` first.")
        self.check(databases=["default"])

    def _run(self, sockets: list[socket.socket], options: dict[str, Any]) -> None:
        stop, replace = threading.Event(), threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        # At a terminal the signal says that the terminal is closed.
        hang_up = stop if has_terminal() else replace
        signal.signal(signal.SIGHUP, lambda *_: hang_up.set())
        children = _children(sockets, options)
        try:
            supervise(children, stop, replace, self._write_line)
        finally:
            # Nobody shall wait for an answer that does not come.
            for sock in sockets:
                sock.close()
            end(children)
        self._write_line("Stopped.")

    def _greet(self, host: str, port: int) -> None:
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
        base = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
        self.stdout.write(f"Maria sessions: {base}/")
        self.stdout.write(f"API:            {base}/api/docs/")
        self.stdout.write(f"Admin:          {base}/admin/")
        self.stdout.write(f"Data and logs:  {settings.DATA_DIR}")

    def _write_line(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()


def _first_staff_lines() -> list[str]:
    """Create the first staff user if there is none; return what to print about it."""
    login = create_first_staff(settings.STAFF_USERNAME, settings.STAFF_PASSWORD)
    if login is None:
        return []
    password = (
        "the STAFF_PASSWORD you set"
        if settings.STAFF_PASSWORD
        else f"{login.password}  (shown once)"
    )
    return [f"Staff log-in:   {login.username} / {password}"]


def _require_demo_settings() -> None:
    """Refuse to seed anything but the demo's own database: only ./run selects it."""
    if settings.PRODUCTION:
        raise CommandError(
            f"PUBLIC_URL is {settings.PUBLIC_URL}. The demo runs on this machine only: unset PUBLIC_URL."
        )
    if settings.DATABASE_URL or settings.DATA_DIR.parts[-2:] != ("var", "demo"):
        raise CommandError("Start the demo with `./run --demo`, which uses its own database.")


def _demo_lines() -> list[str]:
    from demo_app import start, writing

    try:
        logins = start.prepare()
    except writing.SeedRefused as refused:
        raise CommandError(str(refused)) from refused
    return [
        "Staff log-ins (new passwords at each start):",
        *(f"  {login.username:13} {login.password}" for login in logins),
    ]


def _children(sockets: list[socket.socket], options: dict[str, Any]) -> list[ChildProcess]:
    if options["web_only"]:
        return web_children(sockets, log=None)
    logs = settings.DATA_DIR / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    worker = _worker(logs / "worker.log", options["heartbeat_seconds"])
    return [worker, *web_children(sockets, logs / "web.log")]


def _worker(log: Path, heartbeat_seconds: int) -> ChildProcess:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"]
    return ChildProcess(
        "worker",
        lambda _: RunningProcess(command, {"LOG_FILE": str(log)}),
        log,
        is_stalled=lambda running: (
            running > heartbeat_seconds and heartbeat_is_late(heartbeat_seconds)
        ),
    )


def heartbeat_is_late(seconds: int) -> bool:
    """Return whether the last heartbeat is too old; False while the database is unavailable."""
    try:
        age = heartbeat_age()
    except DatabaseError:
        return False
    finally:
        connection.close()
    return age is None or age > timedelta(seconds=seconds)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CommandError(f"PORT is {text!r}: choose a number from 1 to 65535.")
    return int(text)


def _open_sockets(host: str, port: int) -> list[socket.socket]:
    try:
        return open_sockets(host, port)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Stop the program that uses the "
            f"port, or choose another port: PORT={port + 1} ./run"
        ) from error
