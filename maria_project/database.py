"""Whether the database answers, as the web process knows it."""

import logging

from django.db import DatabaseError, InterfaceError, connection

from common.breaker import CircuitBreaker
from common.database_errors import DatabaseFailure, describe, failure_of

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)
_breaker = CircuitBreaker("The database", RETRY_SECONDS)


def is_available() -> bool:
    """Return whether to query the database; after a failure, one request per second checks."""
    return _breaker.lets_through(answers)


def answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        if failed(error) is None:
            raise
        return False
    return True


def is_writable() -> bool:
    """Return whether the database accepts changes. A standby of PostgreSQL does not."""
    if connection.vendor != "postgresql":
        return True  # a read-only file is noticed at the first write
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        is_read_only = cursor.fetchone() == ("on",)
    if is_read_only:
        _leave_the_server()
    return not is_read_only


def failed(error: BaseException) -> DatabaseFailure | None:
    """Note an error of the database; return None if the error is the statement's own fault.

    Only a server that is away opens the circuit breaker. A lock, a deadlock or a slow
    statement concerns one request.
    """
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    found = failure_of(error)
    if found == DatabaseFailure.AWAY and hasattr(error.__cause__, "sqlstate"):
        _breaker.failed(error)
    elif found == DatabaseFailure.OLD_SCHEMA:
        logger.error("%s", describe(error), exc_info=error)
    elif found:
        logger.warning("%s", describe(error))
    if found == DatabaseFailure.READ_ONLY:
        _leave_the_server()
    return found


def _leave_the_server() -> None:
    """Close the connection, so that the next one can find the server that is now the primary."""
    if (
        connection.vendor == "postgresql"
        and connection.connection
        and not connection.in_atomic_block
    ):
        connection.connection.close()
