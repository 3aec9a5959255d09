"""Whether the database answers, as the web process knows it."""

from django.db import InterfaceError, OperationalError, connection

from maria_project.breaker import CircuitBreaker

# Answered with 503: the client may send the request again.
UNAVAILABLE = (OperationalError, InterfaceError)
RETRY_SECONDS = 1.0
# Error classes of PostgreSQL about the server, not about one statement: the connection
# is lost, the server starts or stops. No SQLSTATE at all is an error of the client library.
_SERVER_ERRORS = ("08", "57P")

_breaker = CircuitBreaker("The database", RETRY_SECONDS)


def is_available() -> bool:
    """Return whether to query the database; after a failure, one request per second checks."""
    return _breaker.lets_through(answers)


def answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except UNAVAILABLE as error:
        failed(error)
        return False
    return True


def failed(error: BaseException) -> None:
    """Open the circuit breaker if PostgreSQL itself is unavailable.

    A lock, a deadlock or a slow statement concerns one request only. SQLite is
    always available.
    """
    state = getattr(error.__cause__, "sqlstate", "")
    if state is None or state.startswith(_SERVER_ERRORS):
        _breaker.failed(error)
