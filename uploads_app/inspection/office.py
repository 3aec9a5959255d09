"""Word and Excel files: ZIP files whose directory lists the parts of a document.

Only the directory at the end is read, because programs write the parts in any order.
"""

import os
import struct
from collections.abc import Iterator
from typing import IO

_OFFICE = "application/vnd.openxmlformats-officedocument."
# The folder of the main part.
_FOLDERS = {
    "word/": f"{_OFFICE}wordprocessingml.document",
    "xl/": f"{_OFFICE}spreadsheetml.sheet",
}
# What an Office file has beside its main folder.
_PACKAGE = ("[Content_Types].xml", "_rels/", "docProps/")

_END, _END_64, _ENTRY = b"PK\x05\x06", b"PK\x06\x06", b"PK\x01\x02"
# The record at the end, its longest comment, and its 64-bit form.
_END_BYTES = 22 + 65_535 + 76
_IS_64_BIT = 0xFFFFFFFF
_ENTRY_BYTES = 46
# Real files have a few hundred parts. What comes after this is not read.
_DIRECTORY_BYTES = 1024 * 1024


def office_type(content: IO[bytes]) -> str | None:
    """Return the media type of a ZIP file that is a Word or Excel file, otherwise None."""
    names = list(_part_names(content))
    if not names:
        return None
    # An Office file, or one that begins with its main folder.
    described = names if any(name.startswith(_PACKAGE) for name in names) else names[:1]
    for folder, content_type in _FOLDERS.items():
        if any(name.startswith(folder) for name in described):
            return content_type
    return None


def _part_names(content: IO[bytes]) -> Iterator[str]:
    """Yield the names in the directory of a ZIP file (APPNOTE 4.3.12); nothing if it is damaged."""
    directory = _directory(content)
    position = 0
    while directory.startswith(_ENTRY, position) and position + _ENTRY_BYTES <= len(directory):
        name, extra, comment = struct.unpack_from("<HHH", directory, position + 28)
        position += _ENTRY_BYTES
        yield directory[position : position + name].decode(errors="replace")
        position += name + extra + comment


def _directory(content: IO[bytes]) -> bytes:
    size = content.seek(0, os.SEEK_END)
    content.seek(max(0, size - _END_BYTES))
    tail = content.read()
    try:
        length, offset = _find_directory(tail)
    except (struct.error, ValueError):
        return b""
    if offset > size:
        return b""
    content.seek(offset)
    return content.read(min(length, _DIRECTORY_BYTES))


def _find_directory(tail: bytes) -> tuple[int, int]:
    """Return length and offset of the directory; raises ValueError or struct.error."""
    end = tail.rindex(_END)
    length, offset = struct.unpack_from("<II", tail, end + 12)
    if _IS_64_BIT in (length, offset):
        length, offset = struct.unpack_from("<QQ", tail, tail.rindex(_END_64, 0, end) + 40)
    return length, offset
