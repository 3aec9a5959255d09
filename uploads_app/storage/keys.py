"""The names of objects in a store. Every object of a store is under one of these prefixes."""

import uuid

PREFIX = "uploads"
# The trash of the cleanup. The folder is older than the word, and stores contain it.
QUARANTINE = "quarantine"
# One empty object for each erased session.
ERASED = "erased"
# Files that browsers sent to the store directly, until the application has checked them.
INCOMING = "incoming"
MARKER = "marker.json"


def object_key(session_uuid: uuid.UUID, upload_id: uuid.UUID, extension: str) -> str:
    """Return the final, never reused key of a file: `uploads/{session uuid}/{upload uuid}.{ext}`."""
    return f"{PREFIX}/{session_uuid}/{upload_id}.{extension}"


def incoming_key(key: str) -> str:
    """Return the key to which a browser sends the file directly."""
    return key.replace(PREFIX, INCOMING, 1)


def quarantine_key(key: str) -> str:
    """Return the key of an object while it is in the trash."""
    return f"{QUARANTINE}/{key}"


def erased_key(session_uuid: uuid.UUID) -> str:
    """Return the key that records that a session was erased; it contains the UUID and nothing else."""
    return f"{ERASED}/{session_uuid}"
