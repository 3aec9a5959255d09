"""Log lines: one JSON object each, with the request id and without secrets."""

import logging
import re
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from common import context

# No line names its source line, thread or process, so `logging` need not find them out:
# https://docs.python.org/3/howto/logging.html#optimization
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

# Between the name of a secret and its value: `=` or `:`, and quotes. Quotes are escaped inside a
# string of the line, and not escaped if the line has a field with that name.
_QUOTE = r"(?:(?:\\\\)*(?:\\\"|'))"
_IS = rf"(?:\"\s*:\s*\"|{_QUOTE}?\s*[:=]\s*\[?{_QUOTE}?)"
# Matches whole escape sequences, so that the line stays JSON.
_TO_END_OF_LINE = r"(?:\\[^nr]|[^\\\"])+"
# A word starts at a boundary or after an escaped line break, whose letter is a word character.
_START = r"(?:\b|(?<=\\[nrt]))"
_WORD = r"(?:\\[^nr]|[^\\\"'&;,}\s])+"
_SECRET = re.compile(
    # First letters of the names below: a fast test that skips most characters.
    r"(?=[abclmABCLM])(?:"
    # Session tokens and service keys.
    r"ms[sk]1_[A-Za-z0-9_-]{20,}"
    r"|(?i:"
    # Credentials may contain commas and spaces, so match to the end of the line.
    rf"(?P<header>authorization{_IS}){_TO_END_OF_LINE}"
    rf"|(?P<scheme>{_START}bearer\s+)[\w.~+/=-]{{16,}}"
    rf"|(?P<cookie>maria_(?:session|staff)=){_WORD}"
    rf"|(?P<query>{_START}(?:link|code)=){_WORD}"
    rf"|(?P<field>{_START}assertion{_IS}){_WORD}"
    r"))"
)
# Django logs a traceback for each request that it refuses. The message says why.
_REFUSALS = "django.security."
_REDACTED = r"\g<header>\g<scheme>\g<cookie>\g<query>\g<field>[redacted]"


class ContextFilter(logging.Filter):
    """Adds the ids of request and trace and the actor to every record, and removes tracebacks of refused requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs a refused request after its context has ended.
        request = getattr(record, "request", None)
        request_context = getattr(request, "audit_context", None) or context.current()
        if record.name.startswith(_REFUSALS):
            record.exc_info = None
        record.request_id = request_context.request_id or None
        record.actor = request_context.actor
        if request_context.trace_id:
            record.trace_id = request_context.trace_id
        return True


class RedactingJsonFormatter(JsonFormatter):
    """Formats a line of ASCII JSON, without line breaks and terminal control characters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = {
            field: self.rename_fields.get(field, field) for field in self._required_fields
        }

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Add what the inherited method adds, without three calls for each field."""
        fields = vars(record)
        log_data |= {name: fields[field] for field, name in self._names.items()}
        log_data |= message_dict
        skipped = self._skip_fields
        log_data |= {
            field: value
            for field, value in fields.items()
            if field not in skipped and field[0] != "_"
        }

    def format(self, record: logging.LogRecord) -> str:
        # Django attaches the request, which is not JSON and contains the cookie.
        record.__dict__.pop("request", None)
        return _SECRET.sub(_REDACTED, super().format(record))
