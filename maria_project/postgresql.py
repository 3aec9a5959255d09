"""PostgreSQL for the web process: no request waits for a hanging server."""

import time
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import Diagnostic, StatementCompletionUnknown
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn

# A request can fail twice, on its connection and while getting another one. Both
# together take 8.5 s, less than the documented 10 s.
DEADLINE_SECONDS = 3.75
CANCEL_SECONDS = 0.5
# The server cancels the statement first, if it still can. It never cancels a commit.
STATEMENT_TIMEOUT_MS = 3500


class PromptConnection(psycopg.Connection[Any]):
    """A connection on which an exchange takes at most DEADLINE_SECONDS and CANCEL_SECONDS together.

    What takes too long is cancelled: a commit that waits for a synchronous standby would occupy
    a connection of the server until the standby is back. If the server does not answer even
    that, the connection is closed. A cancelled wait for the standby ends with a commit that a
    failover would undo, so it is an error.
    """

    def __init__(self, pgconn: PGconn) -> None:
        super().__init__(pgconn)
        self._is_unconfirmed = False
        self.add_notice_handler(self._note)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            result = super().wait(gen, interval, DEADLINE_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.info.transaction_status != TransactionStatus.ACTIVE:
                raise
            result = self._cancelled(gen, interval)
        if self._is_unconfirmed:
            self._is_unconfirmed = False
            raise StatementCompletionUnknown("the standby has not confirmed the commit")
        return result

    def _cancelled(self, gen: PQGen[RV], interval: float) -> RV:
        """Cancel what takes too long and return its result; raises OperationalError."""
        deadline = time.monotonic() + CANCEL_SECONDS
        try:
            self.cancel_safe(timeout=CANCEL_SECONDS)
            return super().wait(gen, interval, max(deadline - time.monotonic(), interval))
        finally:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                self.close()  # the next user would read the answer to this query

    def _note(self, notice: Diagnostic) -> None:
        if notice.source_function == "SyncRepWaitForLSN":  # its text depends on the language
            self._is_unconfirmed = True


def use_pool(database: dict[str, Any]) -> None:
    """Give a web process a pool of connections, and deadlines.

    The worker has none: django-q2 forks its processes, and a pool does not survive a fork.
    """
    database["CONN_MAX_AGE"] = 0  # the pool keeps the connections
    database["OPTIONS"] = _web_options(database.get("OPTIONS", {}))


def _web_options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        **options,
        # First, so that the operator's `options` override it.
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {options.get('options', '')}".strip(),
        "connect_timeout": 3,
        "pool": {
            "connection_class": PromptConnection,
            "min_size": 2,
            # At least one connection for each thread of the web server.
            "max_size": 16,
            "timeout": 3,
            # Short: the pauses between attempts grow, and would delay the return of the server.
            "reconnect_timeout": 2,
        },
    }
