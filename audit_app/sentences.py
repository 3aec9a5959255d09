"""The sentence of an audit event as staff read it: who did what, and the facts.

The registry has the sentence of each type (see events.py). The facts are details
that the sentence does not contain.
"""

import re
from collections import defaultdict
from string import Formatter
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app import events
from audit_app.models import AuditLog, AuditOutcome

_SIZES = ("size", "bytes", "max_total_bytes")
# The details that follow a sentence, in this order. Others are shown on demand only.
_FACTS = {
    "size": ", {}",
    "fields": ": {}",
    "share": ": {}",
    "limit": " (limit: {})",
    "until": " until {}",
    "to_session": ": transferred to the current session",
    "from_session": ": transferred from an earlier session",
    "verdict": ": {}",
    "suspicions": ", the file {}",
    "code": ": {}",
    "reason": ": {}",
    "repeated": ", and {} more like it",
}


def sentence(log: AuditLog, *, who: str, file: str = "") -> str:
    """Return the sentence of an event.

    `who` is its actor, empty for the visitor of the page. `file` is a name as this
    reader may see it. An event of a type that no longer exists has its name.
    """
    event = events.event_type(log.event_type)
    if event is None:
        return log.event_type
    details = {name: _in_words(event, name, value) for name, value in log.details.items()}
    places = defaultdict(lambda: "?", details | {"who": who, "file": file or "a file"})
    text = event.story.rstrip(".").format_map(places).strip()
    used = {name for _, name, _, _ in Formatter().parse(event.story)}
    is_name = text.startswith(tuple(filter(None, (who, file))))
    return (text if is_name else text[:1].upper() + text[1:]) + _facts(details, used)


def is_technical(log: AuditLog) -> bool:
    """Return whether an event is of interest only on demand: a routine step without a finding."""
    event = events.event_type(log.event_type)
    if event is None or not event.technical or log.outcome != AuditOutcome.SUCCESS:
        return False
    return log.details.get("verdict") not in ("suspect", "unreadable")


def _facts(details: dict[str, str], used: set[str | None]) -> str:
    return "".join(
        form.format(details[name])
        for name, form in _FACTS.items()
        if details.get(name) and name not in used
    )


def _in_words(event: events.EventType, name: str, value: Any) -> str:
    """Return a detail in words. A text that a person wrote stands in quotation marks."""
    if name in _SIZES:
        return filesizeformat(value)
    if name == "until":
        moment = parse_datetime(str(value))
        return date_format(localtime(moment), "DATETIME_FORMAT") if moment else str(value)
    if name == "reason" and value and value not in event.words:
        return f"“{value}”"
    known = [event.words.get(part, part) for part in re.split(", ?", str(value or ""))]
    return ", ".join(known).replace("_", " ") if name == "code" else ", ".join(known)
