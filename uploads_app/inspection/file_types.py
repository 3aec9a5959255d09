"""What a file really is: judged by its first bytes and its extension, never by what was claimed."""

import re
from dataclasses import dataclass

import filetype
from django.conf import settings

from common.text import showable
from uploads_app.exceptions import TypeNotAllowed

# Extension → media type, for formats whose first bytes tell them apart.
KNOWN_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
HEAD_BYTES = 8192
NAME_LIMIT = 255

# `report.php;.pdf`: some servers stop reading a name at the semicolon.
_HIDDEN_EXTENSION = re.compile(r"\.\w{1,5};")


@dataclass(frozen=True)
class FileType:
    """An allowed type: the extension its key gets, and the media type it is served as."""

    extension: str
    content_type: str


def detect_type(name: str, head: bytes) -> FileType:
    """Return the type that both the name and the first bytes tell; raises TypeNotAllowed.

    Extension and content must name the same media type, and it must be one of
    UPLOAD_TYPES. A format is recognised by its signature alone; whether the
    rest of the file is sound is not judged here.
    """
    named = named_type(name)
    found = filetype.guess(head)
    if found is None or found.mime != named.content_type:
        raise TypeNotAllowed
    return named


def named_type(name: str) -> FileType:
    """Return the type that a name claims; raises TypeNotAllowed."""
    stem, _, extension = name.rpartition(".")
    extension = extension.lower()
    if not stem or extension not in settings.UPLOAD_TYPES or _HIDDEN_EXTENSION.search(name):
        raise TypeNotAllowed
    return FileType(extension, KNOWN_TYPES[extension])


def clean_name(name: str) -> str:
    """Return a visitor's file name fit to be shown, without the folders before it.

    A name that is too long loses its middle, not its extension. The name is
    data: no key is ever made of it.
    """
    last = showable(name).replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = last.rpartition(".")
    return (stem[: NAME_LIMIT - len(extension) - 1] + dot + extension)[:NAME_LIMIT]
