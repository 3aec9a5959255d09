"""The type of a file: its bytes and its extension must agree. What a client claims is ignored."""

import re
from dataclasses import dataclass
from typing import IO

from django.conf import settings

from common.text import showable
from uploads_app.exceptions import NameNotAllowed, TypeNotAllowed
from uploads_app.inspection.signatures import guess_type

# Extension → media type, for formats with a signature.
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
_HEAD_BYTES = 8192
NAME_LIMIT = 255

# `report.php;.pdf`: some servers read a name only up to the semicolon, and run what it names.
_RUN_BY_SERVERS = (
    "asa asax ashx asmx asp aspx cdx cer cgi dll exe htm html htr idc js jsp jspx phar php pht"
    " phtml pl py rb sh shtm shtml stm svg xht xhtml xml"
)
_BEFORE_SEMICOLON = re.compile(rf"\.({'|'.join(_RUN_BY_SERVERS.split())}|php\d);", re.IGNORECASE)


@dataclass(frozen=True)
class FileType:
    """An allowed type: the extension of its key, and the media type of its downloads."""

    extension: str
    content_type: str


def detect_type(name: str, content: IO[bytes]) -> FileType:
    """Return the type of a file from its name and its content, which is then at its start.

    Extension and signature must have the same media type, and it must be one of
    UPLOAD_TYPES. Whether the rest of the file is sound is not checked here. Raises
    NameNotAllowed or TypeNotAllowed.
    """
    named = named_type(name)
    guessed = guess_type(content.read(_HEAD_BYTES), content)
    content.seek(0)
    if guessed != named.content_type:
        raise TypeNotAllowed
    return named


def named_type(name: str) -> FileType:
    """Return the type that the extension of a name stands for.

    Raises TypeNotAllowed for its extension, NameNotAllowed for the rest of the name.
    """
    stem, dot, extension = name.rpartition(".")
    extension = extension.lower()
    if not dot or extension not in settings.UPLOAD_TYPES:
        raise TypeNotAllowed
    if not showable(stem) or _BEFORE_SEMICOLON.search(name):
        raise NameNotAllowed
    return FileType(extension, KNOWN_TYPES[extension])


def clean_name(name: str) -> str:
    """Return a file name that is safe to display, without the folders before it.

    A name over NAME_LIMIT characters is cut before its extension. The name is
    never part of a key.
    """
    last = showable(name).replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = last.rpartition(".")
    return (stem[: NAME_LIMIT - len(extension) - 1] + dot + extension)[:NAME_LIMIT]
