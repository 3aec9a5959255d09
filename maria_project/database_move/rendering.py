"""Turns values of SQLite into the text that PostgreSQL itself would write for them with COPY.

So one text is copied, and compared with what the new database returns.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils.dateparse import parse_datetime

Render = Callable[[Any], str]

NULL = "\\N"
REPLACEMENT = "\ufffd"
_ESCAPES = str.maketrans(
    {
        "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    }
)  # fmt: skip
_SPECIAL = re.compile(r"[\x08-\x0d\\]")
# PostgreSQL stores neither, not even as an escape in JSON.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")


class UnknownType(Exception):
    """A column has a type that this module does not know."""


class RowRenderer:
    """Renders the rows of one table. `replaced` counts the replaced characters of each column."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self.replaced: Counter[str] = Counter()
        self._renders = [self._render_for(name, kind) for name, kind in columns]

    def line(self, values: Iterable[Any]) -> bytes:
        """Return one row as a line of COPY's text format."""
        fields = [
            NULL if value is None else render(value)
            for render, value in zip(self._renders, values, strict=True)
        ]
        return ("\t".join(fields) + "\n").encode()

    def _render_for(self, column: str, kind: str) -> Render:
        def clean(text: str) -> str:
            if _UNSTORABLE.search(text):
                text, number = _UNSTORABLE.subn(REPLACEMENT, text)
                self.replaced[column] += number
            return text

        if kind in _TEXTS:
            return lambda value: _escaped(clean(str(value)))
        if kind == "jsonb":
            return lambda value: _escaped(_json(json.loads(value, parse_float=Decimal), clean))
        if kind not in _SIMPLE:
            raise UnknownType(f"column {column}: {kind}")
        return _SIMPLE[kind]


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def _json(value: Any, clean: Callable[[str], str]) -> str:
    """Return JSON as PostgreSQL's `jsonb` shows it: shorter keys first."""
    if isinstance(value, dict):
        members = {clean(key): member for key, member in value.items()}
        keys = sorted(members, key=lambda key: (len(key.encode()), key.encode()))
        return f"{{{', '.join(f'{_string(key)}: {_json(members[key], clean)}' for key in keys)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_json(member, clean) for member in value)}]"
    if isinstance(value, str):
        return _string(clean(value))
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _time(value: str) -> str:
    """Return a point in time, which SQLite has in UTC without saying so."""
    if not _TIME.fullmatch(value):
        parsed = parse_datetime(value)
        if parsed is None:
            return value  # PostgreSQL says what is wrong with it
        value = str(parsed.replace(tzinfo=None) - (parsed.utcoffset() or timedelta()))
    return f"{_trimmed(value)}+00"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _duration(value: int) -> str:
    """Return microseconds as an ISO 8601 duration, in days and less than a day."""
    time = timedelta(microseconds=value)
    hours, seconds = divmod(time.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = _trimmed(f"{seconds}.{time.microseconds:06}")
    parts = ((hours, "H"), (minutes, "M"), (fraction if fraction != "0" else 0, "S"))
    clock = "".join(f"{number}{unit}" for number, unit in parts if number)
    days = f"{time.days}D" if time.days else ""
    return f"P{days}{f'T{clock}' if clock else ''}" if days or clock else "PT0S"


def _float(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


@lru_cache(4096)
def _uuid(value: str) -> str:
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


_TEXTS = frozenset({"character varying", "text", "inet"})
_SIMPLE: dict[str, Render] = {
    "bigint": str,
    "integer": str,
    "smallint": str,
    "boolean": lambda value: "t" if value else "f",
    "bytea": lambda value: f"\\\\x{value.hex()}",
    "date": str,
    "double precision": _float,
    "interval": _duration,
    "timestamp with time zone": _time,
    "uuid": _uuid,
}
