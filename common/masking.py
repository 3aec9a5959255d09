"""Masked personal values: enough to compare a value, not enough to read it."""

import re

import ua_parser

from common.context import RequestContext, parse_address

DOTS = "•••"
_SHOWN_EXTENSION = 8
# The browser stands at the beginning, and parsing a long text is slow.
_PARSED = 200


def mask(text: str) -> str:
    """Return the first letter and dots; empty stays empty. `Anna Bell` becomes `A•••`."""
    return f"{_initial(text)}{DOTS}" if text else ""


def mask_name(name: str) -> str:
    """Return each word's first letter: `Anna Bell` becomes `A••• B•••`."""
    return " ".join(mask(word) for word in name.split()[:3])


def mask_email(address: str) -> str:
    """Return two first letters: `anna@mail.example` becomes `a•••@m•••`."""
    local, at, domain = address.rpartition("@")
    return f"{mask(local)}{at}{mask(domain)}"


def mask_file_name(name: str) -> str:
    """Return the first letter and the extension: `Report 2026.pdf` becomes `R•••.pdf`."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not re.fullmatch(rf"[A-Za-z0-9]{{1,{_SHOWN_EXTENSION}}}", extension):
        return mask(name)
    return f"{mask(stem)}{dot}{extension}"


def mask_address(address: str) -> str:
    """Return the network, which every audit event has anyway: IPv4 /24, IPv6 /48."""
    return RequestContext(address=parse_address(address)).network or mask(address)


def mask_user_agent(text: str) -> str:
    """Return the browser and its system: `Firefox on Windows`."""
    if not text:
        return ""
    found = ua_parser.parse(text[:_PARSED])
    browser, system = found.user_agent, found.os
    known = [part.family for part in (browser, system) if part]
    return " on ".join(known) or "an unknown program"


def _initial(text: str) -> str:
    # A name may begin with a control character, for example a right-to-left override.
    return text[0] if text[0].isalnum() else ""


# The mask of each personal value of an audit event.
MASKS = {
    "address": mask_address,
    "user_agent": mask_user_agent,
    "file_name": mask_file_name,
    "email": mask_email,
}
