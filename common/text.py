"""Text from outside: what databases can store, and what may be shown to people."""

import re
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str, limit: int) -> str:
    """Return `text` as both databases can hold it: no NUL, no lone surrogate, at most `limit` characters."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def showable(text: str) -> str:
    """Return a stranger's text fit to be shown: no control, format, private or unassigned characters.

    Right-to-left overrides would let `exe.pdf` read as `fdp.exe`.
    """
    normal = unicodedata.normalize("NFC", text)
    return "".join(c for c in normal if unicodedata.category(c) not in _HIDDEN).strip()
