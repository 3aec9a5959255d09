"""Reads a search term: its kind of value decides which columns are searched."""

import re
import uuid
from enum import Enum

from backoffice_app.search.starts import network_of
from common import context
from common.text import showable
from sessions_app.uuid_helpers import UUID_PATTERN, parse_support_code

LONGEST_TERM = 300
_KEY = re.compile(f"uploads/{UUID_PATTERN}/[0-9a-z.-]+")
_CODE = re.compile(r"[A-Za-z0-9]+(?:[\s.\-‐-―]+[A-Za-z0-9]+)*")
# A term that can only be the start of a support code or of an id, or a whole key: a code from its
# second group on with a digit, an id from its first 8 digits on with a digit and a letter. The
# browser has it too, and sends nothing else while somebody types.
SUGGESTED = (
    "^(?:(?=.*[0-9])[mM][aA][rR]([ -])[0-9A-Za-z]{3}(?:\\1[0-9A-Za-z]{3})?\\1[0-9A-Za-z]{1,3}\\1?"
    "|(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F]{8}[0-9a-fA-F-]{0,56}"
    f"|uploads/{UUID_PATTERN}/[0-9a-z.-]+)$"
)
_GROUPS = re.compile(r"MAR([\s-][0-9A-Z]{3}){3}", re.IGNORECASE)


class TermKind(Enum):
    """The kind of a term: one certain kind of value, or any."""

    KEY = "object key"
    SHA256 = "SHA-256"
    UUID = "UUID"
    CODE = "support code"
    ADDRESS = "client address"
    NETWORK = "network"
    EMAIL = "e-mail address"
    ANYTHING = "anything"

    @property
    def is_impersonal(self) -> bool:
        """Whether such a term contains no personal data, so that it may be part of a URL."""
        return self in (TermKind.KEY, TermKind.SHA256, TermKind.UUID, TermKind.CODE)


def readable(typed: str) -> str:
    """Return the typed text without hidden characters and surrounding space."""
    return showable(typed[: LONGEST_TERM + 1])


def kind_of(term: str) -> TermKind:
    if _KEY.fullmatch(term):
        return TermKind.KEY
    if re.fullmatch("[0-9a-fA-F]{64}", term):
        return TermKind.SHA256
    if read_uuids(term):
        return TermKind.UUID
    if _is_certainly_code(term):
        return TermKind.CODE
    if network_of(term):
        return TermKind.NETWORK
    if context.parse_address(term):
        return TermKind.ADDRESS
    if re.fullmatch(r"[^@\s]+@[^@\s]+", term):
        return TermKind.EMAIL
    return TermKind.ANYTHING


def is_suggested(term: str) -> bool:
    """Whether a term is offered matches while it is typed: it contains no personal data."""
    return re.fullmatch(SUGGESTED, term) is not None


def read_uuids(term: str) -> list[uuid.UUID]:
    """Return the UUID that a term spells, in any notation; empty if it is not a UUID."""
    digits = term.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return [uuid.UUID(digits)] if re.fullmatch("[0-9a-f]{32}", digits) else []


def as_code(term: str) -> str:
    """Return a term that is spelled like a support code; empty for any other."""
    return term if _CODE.fullmatch(term) else ""


def has_digit(term: str) -> bool:
    return any(symbol.isdecimal() for symbol in term)


def _is_certainly_code(term: str) -> bool:
    """Whether only a support code has this form. Nine letters may also be a name."""
    if _GROUPS.fullmatch(term):
        return True
    return has_digit(term) and bool(as_code(term) and parse_support_code(term))
