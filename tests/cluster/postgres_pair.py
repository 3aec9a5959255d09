"""A PostgreSQL primary and its standby, which can take over."""

import time
from typing import LiteralString

import psycopg

from tests import postgres
from tests.cluster.hosts import Host

PORT = 5432
PROMOTION_SECONDS = 120


class PostgresPair:
    """Two hosts with PostgreSQL: a primary, which waits for its standby at each commit."""

    def __init__(self, one: Host, other: Host) -> None:
        self.primary, self.standby = one, other
        self._servers = {host.name: _server(host) for host in (one, other)}

    @property
    def url(self) -> str:
        """The DATABASE_URL that finds the primary, whichever of the two it is."""
        names = ",".join(self._servers)
        return f"postgres://maria@{names}/postgres?target_session_attrs=read-write"

    def create(self) -> None:
        """Create the primary and its standby, and start both."""
        with self.primary:
            self._server(self.primary).create()
        self.start(self.primary)
        self.add_standby()

    def start(self, host: Host) -> None:
        """Start a server that was killed, with its data."""
        with host:
            self._server(host).start()

    def add_standby(self) -> None:
        """Copy the primary to the other host, and let commits wait for that copy."""
        server, primary = self._server(self.standby), self._server(self.primary)
        with self.standby:
            server.erase()
            # A cable that was just plugged in carries nothing for a moment.
            while not primary.answers():
                time.sleep(0.1)
            server.copy(primary)
            # Once it is the primary it has no standby to wait for.
            server.configure("synchronous_standby_names = ''")
            server.start()
        self.wait_for_standby(is_synchronous=True)

    def wait_for_standby(self, *, is_synchronous: bool) -> None:
        """Let commits wait for the standby or not, and wait until the primary does so."""
        self.set("synchronous_standby_names", "*" if is_synchronous else "")
        wanted = "sync" if is_synchronous else "async"
        while self.query("SELECT sync_state FROM pg_stat_replication") != [(wanted,)]:
            time.sleep(0.1)

    def promote(self) -> None:
        """Make the standby the primary. The old primary must be dead."""
        self.primary, self.standby = self.standby, self.primary
        self.query("SELECT pg_promote(true, %s)", PROMOTION_SECONDS)

    def set(self, name: LiteralString, value: LiteralString) -> None:
        """Change a setting of the primary."""
        with self.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")

    def query(self, statement: LiteralString, *values: object) -> list[tuple[object, ...]]:
        """Return the rows of a statement on the primary."""
        with self.connect() as connection:
            return connection.execute(statement, values).fetchall()

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Connect to the primary from the script, which is not part of any fault."""
        url = self._server(self.primary).url
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _server(self, host: Host) -> postgres.PostgresServer:
        return self._servers[host.name]


def _server(host: Host) -> postgres.PostgresServer:
    programs = postgres.find_programs()
    if programs is None:
        raise RuntimeError(f"PostgreSQL is not installed: {postgres.INSTALL_HINT}")
    user = postgres.unprivileged_user(host.folder)
    return postgres.PostgresServer(
        programs, host.folder, PORT, user, fsync=False, address=host.address, name=host.name
    )
