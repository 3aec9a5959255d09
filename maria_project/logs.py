"""Log lines: one JSON object each, with the request's id, and without anything secret."""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

from audit_app import context

# Tokens and service keys wherever they stand, and the values of headers and cookies that prove something.
# Escapes are taken whole, so that a line stays JSON whatever a value holds.
_SECRET = re.compile(
    r"ms[sk]1_[A-Za-z0-9_-]{20,}"
    r"|(?i:(?<=authorization: )(?:\\[^nr]|[^\\\"',}])+)"
    r"|(?i:(?<=maria_session=)(?:\\[^nr]|[^\\;\s\"',}])+)"
    r"|(?i:(?<=maria_staff=)(?:\\[^nr]|[^\\;\s\"',}])+)"
)


class ContextFilter(logging.Filter):
    """Add who is asking to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs a refused request when its context has ended.
        request = getattr(record, "request", None)
        asking = getattr(request, "audit_context", None) or context.current()
        record.request_id = asking.request_id or None
        record.actor = asking.actor
        return True


class RedactingJsonFormatter(JsonFormatter):
    """One line of ASCII JSON, so that nothing in it can start a new line or steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        # Django attaches the request itself, which is no JSON and holds the cookie.
        record.__dict__.pop("request", None)
        return _SECRET.sub("[redacted]", super().format(record))
