"""Text found by its beginning, whatever its capitals, by an index that both databases have alike."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Func, QuerySet, TextField, Value

_LAST = "\U0010ffff"


class Folded(Func):
    """A text in capitals, compared character by character and not as a dictionary would.

    SQLite, and PostgreSQL in some locales, knows the capitals of ASCII alone:
    so a text is looked for in each of its `spellings`.
    """

    arity = 1
    output_field = TextField()
    template = "UPPER(%(expressions)s)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = '(UPPER(%(expressions)s) COLLATE "C")'
        return self.as_sql(compiler, connection, template=template, **context)


class LastWord(Func):
    """What follows the last space of a text; all of it if there is none."""

    arity = 1
    output_field = TextField()
    # Cut off from the right whatever is no space, and what was cut off is the last word.
    template = (
        "SUBSTR(%(expressions)s, "
        "LENGTH(RTRIM(%(expressions)s, REPLACE(%(expressions)s, ' ', ''))) + 1)"
    )


def spellings(text: str) -> list[str]:
    """Return a text as typed, in small letters, in capitals and with initials, each that differs beyond ASCII."""
    written = (text, text.lower(), text.upper(), text.title())
    # Bytes have capitals in ASCII only.
    return sorted({spelling.encode().upper().decode() for spelling in written})


def beginning(rows: QuerySet[Any], expression: str | Func, text: str) -> Iterable[QuerySet[Any]]:
    """Yield, for each spelling, the rows whose text begins so, in the order of the text.

    Use an expression that has an index under `Folded`, and cut each off where you have enough.
    """
    column = F(expression) if isinstance(expression, str) else expression
    folded = rows.alias(folded=Folded(column)).order_by("folded")
    for spelling in spellings(text):
        first, last = Folded(Value(spelling)), Folded(Value(spelling + _LAST))
        yield folded.filter(folded__gte=first, folded__lt=last)


def equal(rows: QuerySet[Any], field: str, text: str, *, limit: int) -> Iterable[Any]:
    """Return rows whose text is this, whatever its capitals, up to `limit` for each spelling."""
    folded = rows.alias(folded=Folded(F(field)))
    for spelling in spellings(text):
        yield from folded.filter(folded=Folded(Value(spelling)))[:limit]
