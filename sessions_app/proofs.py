"""How a request has proven its session."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sessions_app.credentials import Carrier
from sessions_app.models import UserSession


@dataclass(frozen=True)
class Proof:
    """The session that a request has proven, and how; `request.auth` of a visitor's request.

    `token_hash` is None if a short link proves the session. `read_at` is the
    database's time when the session was read.
    """

    session: UserSession
    carrier: Carrier
    token_hash: str | None
    read_at: datetime


@dataclass(frozen=True)
class ProofWithNews(Proof):
    """A proof whose statement has also read what a page shows: see `PolledSession`.

    `files` has the id and the status of each visible file.
    """

    files: tuple[tuple[uuid.UUID, str], ...]
