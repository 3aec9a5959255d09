"""Characters around a cookie's name that a reader cannot see."""

import sys

# Not part of a name (RFC 6265, section 5.2).
BLANK = " \t"
# What `str.strip` removes from a name, and every ASCII control character.
INVISIBLE = sorted(
    {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()}
    | {chr(code) for code in (*range(0x20), 0x7F)} - set(BLANK)
)
