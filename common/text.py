"""Text from outside: make it storable in both databases, and safe to show.

The rules for texts that people write (file names, contact names, e-mail
addresses, search terms) are here; decision 62 names the standards. They list
characters, not Unicode categories, so that every Python stores the same text.
"""

import html
import re
import unicodedata

# Neither PostgreSQL nor UTF-8 can hold these.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# The id of a row, in URLs and typed by staff; a longer number overflows the column.
ROW_ID = "[0-9]{1,18}"
# Persian, Urdu, Hindi and emoji are spelled with these (UAX 31, section 2.3).
JOINERS = "\u200c\u200d"

_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
# The property Bidi_Control (UTS 55): with one of these, `fdp.exe` is shown as `exe.pdf`.
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Shown as nothing, and not part of any spelling: hints for line breaks, invisible operators,
# annotations, tags, reserved code points of Default_Ignorable_Code_Point, noncharacters.
_INVISIBLE = (
    "\u00ad\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb\ufdd0-\ufdef"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    + "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
)
# A flag like Scotland's is a black flag and tags (UTS 51). Other tags can hide a text.
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
_FLAG_OR_REMOVED = re.compile(f"({_FLAG})|[{_CONTROLS}{_DIRECTIONS}{_INVISIBLE}]")
# Characters that are kept, but show nothing if a text has no others.
_BLANK = re.compile(
    rf"[\s{JOINERS}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0100-\U000e01ef]*"
)
# Unicode still adds marks here, which only a newer Python would reorder or compose.
_NOT_NORMALIZED = re.compile("([\u05c8-\u05cf\u0897\u1acf-\u1aff\U00010000-\U0010ffff]+)")
# What browsers write in a multipart name (HTML, "multipart/form-data encoding algorithm").
_ESCAPED = {"%22": '"', "%0A": "\n", "%0D": "\r"}


def storable(text: str, limit: int) -> str:
    """Return at most `limit` characters, with NUL and lone surrogates replaced."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def showable(text: str) -> str:
    """Return a text without characters that deceive its reader; empty if nothing of it is visible."""
    plain = _normalized(_FLAG_OR_REMOVED.sub(r"\1", text)).strip()
    return "" if _BLANK.fullmatch(plain) else plain


def form_file_name(text: str) -> str:
    """Return the file name of a multipart form as it was before the browser escaped it."""
    unescaped = re.sub("%22|%0A|%0D", lambda found: _ESCAPED[found[0]], text)
    # An older browser writes `&#252;` for a character that the form's charset does not have.
    return re.sub("&#?[0-9A-Za-z]+;", lambda found: html.unescape(found[0]), unescaped)


def without_joiners(text: str) -> str:
    """Return a text as the search compares it."""
    return re.sub(f"[{JOINERS}]", "", text)


def spelled_before(text: str) -> str:
    """Return a text as versions up to 0.3 stored it: they removed joiners and new characters."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return "".join(c for c in text if unicodedata.category(c) not in hidden).strip()


def _normalized(text: str) -> str:
    parts = _NOT_NORMALIZED.split(text)
    return "".join(
        part if index % 2 else unicodedata.normalize("NFC", part)
        for index, part in enumerate(parts)
    )
