"""Read a PDF strictly, and walk its objects. Runs in the process of pdf.py only.

pypdf's strict mode refuses a few files that no reader has to guess about, and
repairs others silently. `SoundReader` accepts the former and reports the latter.
"""

import logging
import os
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PdfReadError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from uploads_app.inspection.pdf_streams import TooExpensive
from uploads_app.inspection.signatures import PDF_HEADER, PDF_HEADER_BYTES

_VALUES = 2_000_000
_WHITE_SPACE = re.compile(rb"[\0\t\n\f\r ]*")
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
        super().__init__(BytesIO(content), strict=True)
        # Marks of an older table; they hide objects that a hybrid file's stream has.
        self.xref_free_entry = {}

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
    numbers = [(n, g) for g in reader.xref for n in reader.xref[g] if (n, g) not in unused]
    numbers += [(n, 0) for n in reader.xref_objStm]
    unused.difference_update(numbers)
    seen = 0
    # References are not followed, because their objects have numbers too.
    for number in (None, *numbers):
        first = reader.get_object(IndirectObject(*number, reader)) if number else reader.trailer
        waiting = [first]
        while waiting:
            value = waiting.pop()
            seen += 1
            if seen > _VALUES:
                raise TooExpensive
            if isinstance(value, DictionaryObject):
                yield value
                waiting.extend(dict.values(value))
            elif isinstance(value, ArrayObject):
                waiting.extend(list.__iter__(value))
            elif isinstance(value, IndirectObject) and (value.idnum, value.generation) in unused:
                raise ValueError("an object in use is at offset 0")
