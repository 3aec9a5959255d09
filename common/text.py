"""Text from outside: make it storable in both databases, and safe to show."""

import re
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Neither PostgreSQL nor UTF-8 can hold these.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# The id of a row, in URLs and typed by staff; a longer number overflows the column.
ROW_ID = "[0-9]{1,18}"


def storable(text: str, limit: int) -> str:
    """Return at most `limit` characters, with NUL and lone surrogates replaced."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def showable(text: str) -> str:
    """Return a text without control, format, private-use and unassigned characters.

    A right-to-left override shows `fdp.exe` as `exe.pdf`.
    """
    normal = unicodedata.normalize("NFC", text)
    return "".join(c for c in normal if unicodedata.category(c) not in _HIDDEN).strip()
