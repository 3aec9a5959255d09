"""Log lines: one JSON object each, with the request's id, and without anything secret."""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

from common import context

# What stands between a secret's name and its value: `=`, `:`, and quotes, which are escaped when
# they stand inside a string of the line, and bare when the line itself has a field of that name.
_QUOTE = r"(?:(?:\\\\)*(?:\\\"|'))"
_IS = rf"(?:\"\s*:\s*\"|{_QUOTE}?\s*[:=]\s*\[?{_QUOTE}?)"
# Values are taken with their escapes whole, so that a line stays JSON whatever they hold.
_TO_END_OF_LINE = r"(?:\\[^nr]|[^\\\"])+"
# A word begins at a boundary, or behind an escaped line break, whose letter looks like part of it.
_START = r"(?:\b|(?<=\\[nrt]))"
_WORD = r"(?:\\[^nr]|[^\\\"'&;,}\s])+"
_SECRET = re.compile(
    # How the names below begin: most characters of a line are passed over by this alone.
    r"(?=[abclmABCLM])(?:"
    # Tokens and service keys, wherever they stand.
    r"ms[sk]1_[A-Za-z0-9_-]{20,}"
    r"|(?i:"
    # Credentials have commas and spaces of their own, so a line of text is taken to its end.
    rf"(?P<header>authorization{_IS}){_TO_END_OF_LINE}"
    rf"|(?P<scheme>{_START}bearer\s+)[\w.~+/=-]{{16,}}"
    rf"|(?P<cookie>maria_(?:session|staff)=){_WORD}"
    rf"|(?P<query>{_START}(?:link|code)=){_WORD}"
    rf"|(?P<field>{_START}assertion{_IS}){_WORD}"
    r"))"
)
_REDACTED = r"\g<header>\g<scheme>\g<cookie>\g<query>\g<field>[redacted]"


class ContextFilter(logging.Filter):
    """Add who is asking to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs a refused request when its context has ended.
        request = getattr(record, "request", None)
        request_context = getattr(request, "audit_context", None) or context.current()
        record.request_id = request_context.request_id or None
        record.actor = request_context.actor
        return True


class RedactingJsonFormatter(JsonFormatter):
    """One line of ASCII JSON, so that nothing in it can start a new line or steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        # Django attaches the request itself, which is no JSON and holds the cookie.
        record.__dict__.pop("request", None)
        return _SECRET.sub(_REDACTED, super().format(record))
