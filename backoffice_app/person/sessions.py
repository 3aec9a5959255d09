"""The person behind a session: all sessions with the same e-mail address.

Anybody can claim an address, so sessions that have verified it are kept apart
from those that only claim it.
"""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from common.masking import mask_name
from sessions_app.models import UserSession
from uploads_app.models import UploadQuota

# Verified and claimed sessions, each.
SHOWN = 100


@dataclass(frozen=True)
class PersonSession:
    """A session as the person's page lists it. The name is masked unless revealed."""

    session: UserSession
    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Person:
    """The sessions of one e-mail address, newest first, at most SHOWN verified and SHOWN claimed."""

    verified: Sequence[UserSession]
    claimed: Sequence[UserSession]
    more_verified: bool
    more_claimed: bool

    @property
    def uuids(self) -> list[uuid.UUID]:
        """The UUIDs of all sessions in the lists."""
        return [session.uuid for session in (*self.verified, *self.claimed)]


def person_behind(session: UserSession) -> Person:
    """Return the sessions with the e-mail address of this one, which is always in the result."""
    same = UserSession.objects.of_email(session.email).prefetch_related("consents")
    verified = list(same.filter(email_proven=True)[: SHOWN + 1])
    claimed = list(same.filter(email_proven=False)[: SHOWN + 1])
    return Person(
        _first(verified, session if session.email_proven else None),
        _first(claimed, None if session.email_proven or not session.email else session),
        len(verified) > SHOWN,
        len(claimed) > SHOWN,
    )


def _first(sessions: list[UserSession], always: UserSession | None) -> list[UserSession]:
    if always is None or always in sessions[:SHOWN]:
        return sessions[:SHOWN]
    return [*sessions[: SHOWN - 1], always]


def listed(
    sessions: Sequence[UserSession], revealed: Collection[uuid.UUID] = ()
) -> list[PersonSession]:
    quotas = UploadQuota.objects.in_bulk([session.pk for session in sessions])
    nothing = UploadQuota()
    return [
        PersonSession(
            session,
            session.name if session.uuid in revealed else mask_name(session.name),
            quotas.get(session.pk, nothing).files,
            quotas.get(session.pk, nothing).bytes,
        )
        for session in sessions
    ]


def digest(uuids: Sequence[uuid.UUID]) -> str:
    """Return a short hash of a set of sessions, to notice that it has changed."""
    return hashlib.sha256("".join(sorted(map(str, uuids))).encode()).hexdigest()[:16]
