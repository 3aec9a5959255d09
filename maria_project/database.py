"""What the web process knows of its database: is it there?"""

from django.db import InterfaceError, OperationalError, connection

from maria_project.breaker import CircuitBreaker

# What is answered with 503: the request may do better when it is sent again.
UNAVAILABLE = (OperationalError, InterfaceError)
RETRY_SECONDS = 1.0
# PostgreSQL's classes of errors about the server, not about one statement: it is
# starting or stopping, the connection is lost. None is what the client found by itself.
_AWAY = ("08", "57P")

_breaker = CircuitBreaker("The database", RETRY_SECONDS)


def is_available() -> bool:
    """Say whether to ask the database; after a failure one request a second finds out."""
    return _breaker.lets_through(answers)


def answers() -> bool:
    """Ask the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except UNAVAILABLE as error:
        failed(error)
        return False
    return True


def failed(error: BaseException) -> None:
    """Turn requests away for a second if `error` says that PostgreSQL itself is away.

    A lock, a deadlock or a slow statement concerns one request only, and
    SQLite is never away.
    """
    state = getattr(error.__cause__, "sqlstate", "")
    if state is None or state.startswith(_AWAY):
        _breaker.failed(error)
