"""Search terms that a staff session keeps for 15 minutes, so that results have an address.

The address has a random key. The session has a hash of that key, and the term
masked by it: a copy of the database contains no term.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

KEPT_FOR = timedelta(minutes=15)
# Of one session; a further search replaces the oldest.
MOST_KEPT = 20
_SEARCHES = "searches"


@dataclass(frozen=True)
class KeptSearch:
    """A typed term, and the personal kinds under which its search was recorded."""

    typed: str
    recorded: str


def keep(session: SessionBase, search: KeptSearch) -> str:
    """Store a search; return its new key."""
    key = secrets.token_urlsafe(16)
    replace(session, key, search)
    return key


def replace(session: SessionBase, key: str, search: KeptSearch) -> None:
    """Store a search under its key, and forget the oldest and those that are past."""
    now = timezone.now().timestamp()
    live = [one for one in session.get(_SEARCHES, []) if one["until"] > now]
    others = [one for one in live if one["name"] != _name(key)]
    masked = _mask(key, search.typed.encode()).hex()
    entry = {"name": _name(key), "term": masked, "recorded": search.recorded}
    until = now + KEPT_FOR.total_seconds()
    session[_SEARCHES] = [*others[1 - MOST_KEPT :], {**entry, "until": until}]


def read(session: SessionBase, key: str) -> KeptSearch | None:
    """Return the search with this key, or None if this session no longer keeps it."""
    now = timezone.now().timestamp()
    for one in session.get(_SEARCHES, []):
        if one["name"] == _name(key) and one["until"] > now:
            typed = _mask(key, bytes.fromhex(one["term"])).decode()
            return KeptSearch(typed, one["recorded"])
    return None


def _name(key: str) -> str:
    return hashlib.sha256(f"name {key}".encode()).hexdigest()


def _mask(key: str, text: bytes) -> bytes:
    """Mask or unmask a text. Each key masks one text, so each pad is used once."""
    pad = hashlib.shake_256(f"pad {key}".encode()).digest(len(text))
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))
