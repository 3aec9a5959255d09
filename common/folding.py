"""Case-insensitive search for a prefix, with an index that works the same on both databases.

Names are compared without joiners, which are invisible in most of them. Versions up
to 0.3 removed joiners before they stored a name, so this also finds those rows.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Func, QuerySet, TextField, Value

from common.text import JOINERS, spelled_before, without_joiners

_LAST = "\U0010ffff"


class Folded(Func):
    """A text in upper case, compared by code point and not by the locale.

    SQLite, and PostgreSQL in some locales, changes the case of ASCII only. So
    a search uses each of a text's `spellings`.
    """

    arity = 1
    output_field = TextField()
    template = "UPPER(%(expressions)s)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = f'({self.template} COLLATE "C")'
        return self.as_sql(compiler, connection, template=template, **context)


class AsciiLower(Func):
    """A text with A to Z in lower case, and nothing else changed, on both databases."""

    arity = 1
    output_field = TextField()
    template = "LOWER(%(expressions)s)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = '(LOWER(%(expressions)s COLLATE "C"))'
        return self.as_sql(compiler, connection, template=template, **context)


class FoldedName(Folded):
    """A folded text without joiners."""

    template = "UPPER(REPLACE(REPLACE(%(expressions)s, '{}', ''), '{}', ''))".format(*JOINERS)


class LastWord(Func):
    """The text after the last space; the whole text if it has no space."""

    arity = 1
    output_field = TextField()
    # RTRIM removes everything after the last space; the removed part is the last word.
    template = (
        "SUBSTR(%(expressions)s, "
        "LENGTH(RTRIM(%(expressions)s, REPLACE(%(expressions)s, ' ', ''))) + 1)"
    )


def ascii_lower(text: str) -> str:
    """Return what `AsciiLower` returns for a text."""
    return text.encode().lower().decode()


def spellings(text: str) -> list[str]:
    """Return a text in every case that a row may have, without ASCII-only duplicates.

    That is as typed, in lower, upper and title case; for rows of versions up to 0.3
    also without the characters that those versions removed.
    """
    plain = without_joiners(text)
    typed = {plain, spelled_before(plain)} - {""}
    written = (
        case(spelling) for spelling in typed for case in (str, str.lower, str.upper, str.title)
    )
    # bytes.upper() changes ASCII only.
    return sorted({spelling.encode().upper().decode() for spelling in written})


def beginning(rows: QuerySet[Any], expression: str | Func, text: str) -> Iterable[QuerySet[Any]]:
    """Yield for each spelling the rows whose text has this prefix, ordered by the text.

    The expression needs an index on `FoldedName`. Slice each query set to what you need.
    """
    column = F(expression) if isinstance(expression, str) else expression
    folded = rows.alias(folded=FoldedName(column)).order_by("folded")
    for spelling in spellings(text):
        first, last = FoldedName(Value(spelling)), FoldedName(Value(spelling + _LAST))
        yield folded.filter(folded__gte=first, folded__lt=last)


def equal(rows: QuerySet[Any], field: str, text: str, *, limit: int) -> Iterable[Any]:
    """Yield the rows whose text equals `text` in any case, up to `limit` for each spelling."""
    folded = rows.alias(folded=Folded(F(field)))
    for spelling in spellings(text):
        yield from folded.filter(folded=Folded(Value(spelling)))[:limit]
