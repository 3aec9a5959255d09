"""Compares acknowledged effects with rows, objects and the audit log."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import LiteralString

from tests.cluster.cluster import Cluster
from tests.cluster.journal import Journal

# Each happens at most once to a session or a file.
ONCE = ("session.created", "session.ended", "upload.stored", "upload.deleted")
_SESSIONS: LiteralString = "SELECT uuid::text, status FROM sessions_app_usersession"
_UPLOADS: LiteralString = """
    SELECT id::text, status, sha256, key FROM uploads_app_uploadedfile WHERE stored_at IS NOT NULL
"""
_EVENTS: LiteralString = """
    SELECT event_type, session_uuid::text, target FROM audit_app_auditlog
    WHERE event_type = ANY(%s)
"""


class Effects:
    """What the database and the store hold now."""

    def __init__(self, cluster: Cluster) -> None:
        database = cluster.database
        self._sessions = {str(uuid): str(status) for uuid, status in database.query(_SESSIONS)}
        self._uploads = {str(row[0]): row for row in database.query(_UPLOADS)}
        events = database.query(_EVENTS, list(ONCE))
        self._events = Counter(
            (str(kind), _subject(str(target)) or str(session)) for kind, session, target in events
        )
        self._objects = cluster.bucket.keys("uploads/")
        self._read = cluster.bucket.read

    def lost(self, journal: Journal) -> list[str]:
        """Return the acknowledged effects that are not there."""
        return [
            *self._missing("session.created", journal.created, self._is_session),
            *self._missing("session.ended", journal.ended, self._is_ended),
            *self._missing("upload.stored", journal.stored, self._is_stored(journal)),
            *self._missing("upload.deleted", journal.deleted, self._is_deleted),
            *(f"the bytes of {file}" for file in journal.spoiled),
        ]

    def doubled(self) -> list[str]:
        """Return the effects that happened more than once. No two files have the same bytes."""
        hashes = Counter(row[2] for row in self._uploads.values())
        return [
            *(f"{kind} {subject}" for (kind, subject), n in self._events.items() if n > 1),
            *(f"two files with {sha256}" for sha256, number in hashes.items() if number > 1),
        ]

    def _missing(
        self, kind: str, subjects: Iterable[str], is_there: Callable[[str], bool]
    ) -> Iterator[str]:
        for subject in subjects:
            if not is_there(subject):
                yield f"{kind} {subject}"
            elif not self._events[kind, subject] and not self._awaits_its_event(kind, subject):
                yield f"the event {kind} {subject}"

    def _is_session(self, session: str) -> bool:
        return session in self._sessions

    def _is_ended(self, session: str) -> bool:
        return self._sessions.get(session) == "ended"

    def _is_deleted(self, file: str) -> bool:
        row = self._uploads.get(file)
        if row is None:
            return False
        # The object of the first kind is deleted by the next cleanup: the store was away.
        return row[1] == "deleting" or (row[1] == "deleted" and row[3] not in self._objects)

    def _awaits_its_event(self, kind: str, file: str) -> bool:
        return kind == "upload.deleted" and self._uploads[file][1] == "deleting"

    def _is_stored(self, journal: Journal) -> Callable[[str], bool]:
        def is_stored(file: str) -> bool:
            row = self._uploads.get(file)
            if file in journal.to_delete:
                return row is not None
            return (
                row is not None
                and row[1:3] == ("stored", journal.stored[file])
                and self._holds(row)
            )

        return is_stored

    def _holds(self, row: tuple[object, ...]) -> bool:
        """Return whether the store has the bytes of a row."""
        key = str(row[3])
        return key in self._objects and hashlib.sha256(self._read(key)).hexdigest() == row[2]


def _subject(target: str) -> str:
    return target.removeprefix("upload:") if target.startswith("upload:") else ""
