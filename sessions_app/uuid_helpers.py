"""Session UUIDs in canonical spelling, and support codes that can be read aloud."""

import re
import secrets
import uuid
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from django.db.models import Func, TextField
from rest_framework import status
from rest_framework.exceptions import APIException
from stdnum.iso7064 import mod_37_36

# RFC 9562 version 4, variant 10, lower case, with hyphens.
UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID = re.compile(UUID_PATTERN)

# Crockford base32 has no I, L, O or U, so that no symbol is mistaken for a digit.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISHEARD = str.maketrans("OIL", "011")


class UuidMalformed(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "uuid_malformed"
    default_detail = "Invalid session UUID. Expected a lower-case UUIDv4 with hyphens."

    def __init__(self, session_uuid: uuid.UUID | None = None) -> None:
        super().__init__()
        self.session_uuid = session_uuid


class UUIDText(Func):
    """The canonical spelling of a UUID, which the database makes faster than Python."""

    template = "CAST(%(expressions)s AS text)"
    output_field = TextField()
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        # The column has no hyphens, and is read several times, so it must not be a parameter.
        groups = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        parts = (f"substr(%(expressions)s, {begin}, {length})" for begin, length in groups)
        return self.as_sql(compiler, connection, template=" || '-' || ".join(parts), **context)


def generate_uuid() -> uuid.UUID:
    return uuid.uuid4()


def parse_uuid(text: str) -> uuid.UUID:
    """Parse a UUID in canonical spelling; raises UuidMalformed.

    `uuid.UUID()` also accepts braces, `urn:uuid:`, upper case, misplaced
    hyphens and full-width digits.
    """
    if not _UUID.fullmatch(text):
        raise UuidMalformed
    return uuid.UUID(text)


def generate_support_code() -> str:
    """Return a new code like `MAR-7F3-K2Q-X9C`: eight random symbols and an ISO 7064 check symbol.

    If the MOD 37,36 check symbol is not a Crockford symbol, others are drawn.
    """
    while True:
        if code := support_code(_draw_symbols()):
            return code


def _draw_symbols() -> str:
    # 256 is a multiple of 32, so each symbol is equally likely.
    return "".join([CROCKFORD[byte % 32] for byte in secrets.token_bytes(8)])


def support_code(symbols: str) -> str | None:
    """Return the code of eight symbols, None if its check symbol is not in Crockford base32."""
    check = mod_37_36.calc_check_digit(symbols)
    return _spell(symbols + check) if check in CROCKFORD else None


def parse_support_code(text: str) -> str | None:
    """Return the code in canonical spelling, or None if it is not valid.

    Case, hyphens, spaces and the prefix are ignored; O is read as 0, I and L as 1.
    """
    symbols = read_crockford(text)
    # Decided by length, because the symbols themselves may start with MAR.
    if len(symbols) == 12:
        symbols = symbols.removeprefix("MAR")
    return _spell(symbols) if _checks_out(symbols) else None


def near_support_codes(text: str) -> dict[str, str]:
    """Return the valid codes that are one typing error away from `text`, each with the error in words.

    An error is one symbol wrong, missing or too many, or two swapped. The codes
    need not exist. Empty if `text` is too short or too long.
    """
    symbols = read_crockford(text)
    if len(symbols) > 10:
        # With 12 symbols, the first three were meant to be MAR.
        symbols = symbols[-9:] if len(symbols) == 12 else symbols.removeprefix("MAR")
    return {_spell(near): slip for near, slip in _slips(symbols) if _checks_out(near)}


def read_crockford(text: str) -> str:
    """Return typed symbols in canonical spelling, unchecked: upper case, O as 0, I and L as 1."""
    return re.sub("[^0-9A-Z]", "", text.upper()).translate(_MISHEARD)


def _spell(symbols: str) -> str:
    return f"MAR-{symbols[:3]}-{symbols[3:6]}-{symbols[6:]}"


def _checks_out(symbols: str) -> bool:
    return len(symbols) == 9 and set(symbols) <= set(CROCKFORD) and mod_37_36.is_valid(symbols)


def _slips(symbols: str) -> Iterator[tuple[str, str]]:
    """Yield symbols that may have been meant, and the typing error that explains the difference."""
    places = range(len(symbols))
    match len(symbols):
        case 8:
            for place, symbol in product(range(9), CROCKFORD):
                meant = symbols[:place] + symbol + symbols[place:]
                yield meant, f"symbol {place + 1}, {symbol}, is missing"
        case 9:
            for one, other in combinations(places, 2):
                swapped = list(symbols)
                swapped[one], swapped[other] = swapped[other], swapped[one]
                yield "".join(swapped), f"symbols {one + 1} and {other + 1} were swapped"
            for place, symbol in product(places, CROCKFORD):
                meant = symbols[:place] + symbol + symbols[place + 1 :]
                yield meant, f"symbol {place + 1} is {symbol}, not {symbols[place]}"
        case 10:
            for place in places:
                meant = symbols[:place] + symbols[place + 1 :]
                yield meant, f"symbol {place + 1}, {symbols[place]}, is too many"
