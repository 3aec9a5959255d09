"""Read a PDF strictly, and walk its objects. Runs in the process of pdf.py only.

pypdf's strict mode refuses a few files that no reader has to guess about, and
repairs others silently. `SoundReader` accepts the former and reports the latter.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import chain
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PdfReadError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NullObject, read_object

from uploads_app.inspection.pdf_streams import TooExpensive
from uploads_app.inspection.signatures import PDF_HEADER, PDF_HEADER_BYTES

_VALUES = 2_000_000
_WHITE_SPACE = re.compile(rb"[\0\t\n\f\r ]*")
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]+obj")
_END = b"%%EOF"
# Readers look for the end mark in these bytes.
_END_BYTES = 1024
# What pypdf logs when it guesses: another reader may guess differently.
_GUESSES = re.compile(
    "ref repaired|not defined|^Object %.* found$|can ?not be read|in Xref table invalid"
    "|Rebuilding|pointing to a previous revision|Circular xref|/Root|Invalid Root|Root found"
)


class Guesses(logging.Handler):
    """Collects what pypdf logs about repairs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if _GUESSES.search(str(record.msg)):
            self.found.add(str(record.msg))


class SoundReader(PdfReader):
    """A strict reader. The header was found already, and may not be at the start."""

    def __init__(self, content: bytes) -> None:
        # Without an end mark pypdf would give up, though the table's place is known.
        end = b"" if _END in content[-_END_BYTES:] else b"\n" + _END
        self._headers = list(_OBJECT.finditer(content))
        self._numbers = {(int(found[1]), int(found[2])) for found in self._headers}
        super().__init__(BytesIO(content + end), strict=True)
        # Marks of an older table; they hide objects that a hybrid file's stream has.
        self.xref_free_entry = {}

    def get_object(self, indirect_reference: int | IndirectObject) -> Any:
        """Return an object, null if the file has none of that number (ISO 32000-2, 7.3.10)."""
        if isinstance(indirect_reference, IndirectObject):
            number, generation = indirect_reference.idnum, indirect_reference.generation
            is_listed = number in self.xref.get(generation, {}) or number in self.xref_objStm
            if not is_listed and (number, generation) not in self._numbers:
                return NullObject()
        return super().get_object(indirect_reference)

    def unlisted(self) -> Iterator[Any]:
        """Yield the objects that no table lists: a reader that rebuilds the table finds them.

        They may be older than the listed ones, or lie in the middle of a stream.
        """
        places = (at for numbers in self.xref.values() for at in numbers.values())
        listed = {_after_white_space(self.stream, at) for at in places}
        for header in self._headers:
            if header.start() not in listed:
                self.stream.seek(_after_white_space(self.stream, header.end()))
                with suppress(Exception):  # what cannot be read is not an object
                    yield read_object(self.stream, self)

    def _basic_validation(self, stream: Any) -> None:
        stream.seek(0, os.SEEK_END)

    def _find_startxref_pos(self, stream: Any) -> int:
        return _after_white_space(stream, super()._find_startxref_pos(stream))

    def _read_xref_other_error(self, stream: Any, startxref: int) -> int | None:
        """Go to the table that follows white space; pypdf would search the neighbourhood.

        0 is what some programs write if there is no older table.
        """
        if startxref == 0:
            return None
        place = _after_white_space(stream, startxref)
        if place == startxref:
            raise PdfReadError(f"no cross-reference table at {startxref}")
        return place


def _after_white_space(stream: Any, offset: int) -> int:
    found = _WHITE_SPACE.match(stream.getbuffer(), max(offset, 0))
    return found.end() if found and offset > 0 else offset


def readings(content: bytes) -> list[bytes]:
    """Return the file as readers see it: offsets count from the header, or from the first byte.

    Raises ValueError if it has no header.
    """
    start = content[:PDF_HEADER_BYTES].find(PDF_HEADER)
    if start < 0:
        raise ValueError("there is no header")
    return [content[start:], content] if start else [content]


def dictionaries(reader: SoundReader) -> Iterator[Any]:
    """Yield every dictionary and stream of a file, each once.

    Raises ValueError if an object that is referred to is at offset 0. Unused
    entries may be marked so; macOS writes them.
    """
    unused = {(n, g) for g in reader.xref for n, at in reader.xref[g].items() if at == 0}
    listed = [(n, g) for g in reader.xref for n in reader.xref[g] if (n, g) not in unused]
    listed += [(n, 0) for n in reader.xref_objStm]
    unused.difference_update(listed)
    objects = (reader.get_object(IndirectObject(*number, reader)) for number in listed)
    # References are not followed, because their objects are listed too.
    for value in within(chain([reader.trailer], objects)):
        if isinstance(value, DictionaryObject):
            yield value
        elif isinstance(value, IndirectObject) and (value.idnum, value.generation) in unused:
            raise ValueError("an object in use is at offset 0")


def within(objects: Iterable[Any]) -> Iterator[Any]:
    """Yield every value in some objects; raises TooExpensive if there are too many."""
    seen = 0
    for first in objects:
        waiting = [first]
        while waiting:
            value = waiting.pop()
            seen += 1
            if seen > _VALUES:
                raise TooExpensive
            yield value
            if isinstance(value, DictionaryObject):
                waiting.extend(dict.values(value))
            elif isinstance(value, ArrayObject):
                waiting.extend(list.__iter__(value))
