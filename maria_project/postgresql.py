"""PostgreSQL for the web process: no request waits for a server that hangs."""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

# A request that fails twice, once on its connection and once for want of
# another, is answered in 8 s: two seconds before the 10 s that are promised.
DEADLINE_SECONDS = 4
# The server gives up first, while it still can.
STATEMENT_TIMEOUT_MS = 3500


class PromptConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server owes an answer for DEADLINE_SECONDS."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, DEADLINE_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                self.close()  # who used it next would read the answer to this question
            raise


def web_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a web process's database connection, which is taken from a pool."""
    return {
        **options,
        # First, so that the operator's own `options` win.
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {options.get('options', '')}".strip(),
        "connect_timeout": 3,
        "pool": {
            "connection_class": PromptConnection,
            "min_size": 2,
            # As many as the web server has threads, or more: none waits for another's.
            "max_size": 16,
            "timeout": 3,
            # Short, or its growing pauses would go on when the server is back.
            "reconnect_timeout": 2,
        },
    }
