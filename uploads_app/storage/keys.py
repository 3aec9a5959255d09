"""The names of objects in a store. Every object of a store is under one of these prefixes."""

import re
import uuid
from functools import lru_cache

from sessions_app.uuid_helpers import UUID_PATTERN

PREFIX = "uploads"
# The trash of the cleanup. The folder is older than the word, and stores contain it.
QUARANTINE = "quarantine"
# One empty object for each erased session.
ERASED = "erased"
# Files that browsers sent to the store directly, until the application has checked them.
INCOMING = "incoming"
MARKER = "marker.json"
# Heads of the audit log's seal. The cleanup does not list them.
SEAL = "seal/heads"
# How much of an `object_key` is before its extension.
BEGIN_LENGTH = len(f"{PREFIX}/{uuid.UUID(int=0)}/{uuid.UUID(int=0)}.")
# The two UUIDs and the extension of a file, behind the prefix.
_EXTENSION = re.compile("[a-z0-9]{1,8}")
_FILE = rf"({UUID_PATTERN})/({UUID_PATTERN})\.{_EXTENSION.pattern}"
_OBJECT = re.compile(f"{PREFIX}/{_FILE}")
_ARRIVED = re.compile(f"{INCOMING}/{_FILE}")
_OWN = re.compile(
    f"(?:{QUARANTINE}/)?{PREFIX}/{_FILE}|{INCOMING}/{_FILE}|{ERASED}/{UUID_PATTERN}|{MARKER}"
)


def object_key(session_uuid: uuid.UUID, upload_id: uuid.UUID, extension: str) -> str:
    """Return the final, never reused key of a file: `uploads/{session uuid}/{upload uuid}.{ext}`."""
    return f"{PREFIX}/{session_uuid}/{upload_id}.{extension}"


def incoming_key(key: str) -> str:
    """Return the key to which a browser sends the file directly."""
    return key.replace(PREFIX, INCOMING, 1)


def ids_in_key(key: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """Return the session and the upload in a key of `object_key`, None for any other key."""
    match = _OBJECT.fullmatch(key)
    return (uuid.UUID(match[1]), uuid.UUID(match[2])) if match else None


def is_object(key: str) -> bool:
    """Return whether a key is one of `object_key`."""
    return _OBJECT.fullmatch(key) is not None


@lru_cache
def is_extension(text: str) -> bool:
    """Return whether a text can be the extension in an `object_key`."""
    return _EXTENSION.fullmatch(text) is not None


def is_incoming(key: str) -> bool:
    """Return whether a key is one of `incoming_key`."""
    return _ARRIVED.fullmatch(key) is not None


def is_own(key: str) -> bool:
    """Return whether the product writes objects under a key of this form."""
    return _OWN.fullmatch(key) is not None


def final_key(incoming: str) -> str:
    """Return the key of the file whose bytes arrived under an incoming key."""
    return incoming.replace(INCOMING, PREFIX, 1)


def quarantine_key(key: str) -> str:
    """Return the key of an object while it is in the trash."""
    return f"{QUARANTINE}/{key}"


def key_in_trash(place: str) -> str:
    """Return the original key of an object in the trash, from its `quarantine_key`."""
    return place.removeprefix(f"{QUARANTINE}/")


def head_key(number: int) -> str:
    """Return the key of a head of the audit log's seal."""
    return f"{SEAL}/{number:012}.json"


def erased_key(session_uuid: uuid.UUID) -> str:
    """Return the key that records that a session was erased; it contains the UUID and nothing else."""
    return f"{ERASED}/{session_uuid}"
