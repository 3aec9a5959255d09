"""Inspect a PDF: a program with the file on stdin and one line of JSON on stdout.

    python -I pdf.py MEMORY_BYTES CPU_SECONDS < file
    {"verdict": "suspect", "suspicions": ["javascript"]}

Untrusted bytes are parsed here and nowhere else. Before it reads them, this
process limits its memory and time and gives up the right to open or write
files. It imports nothing of this project. uploads_app/inspection/sandbox.py
runs it.
"""

import codecs
import json
import logging
import re
import resource
import sys
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

# Exit code: the inspection could not start, which says nothing about the file.
NOT_BEGUN = 75

# Actions (/S), kinds of annotation and stream (/Subtype, /Type), and keys that are suspect anywhere.
# https://opensource.adobe.com/dc-acrobat-sdk-docs/standards/pdfstandards/pdf/PDF32000_2008.pdf
_BY_NAME = {
    "/S": {
        "/JavaScript": "javascript",
        "/Launch": "opens_files",
        "/GoToR": "opens_files",
        "/GoToE": "opens_files",
        "/SubmitForm": "sends_data",
        "/ImportData": "sends_data",
        "/Rendition": "multimedia",
        "/Movie": "multimedia",
        "/Sound": "multimedia",
        "/RichMediaExecute": "multimedia",
        "/GoTo3DView": "multimedia",
    },
    "/Subtype": {
        "/FileAttachment": "embedded_file",
        "/RichMedia": "multimedia",
        "/3D": "multimedia",
        "/Screen": "multimedia",
        "/Movie": "multimedia",
        "/Sound": "multimedia",
    },
    "/Type": {"/EmbeddedFile": "embedded_file"},
}
_BY_KEY = {
    "/JS": "javascript",
    "/JavaScript": "javascript",
    "/EmbeddedFiles": "embedded_file",
    "/EF": "embedded_file",
    "/Collection": "embedded_file",
    "/XFA": "dynamic_form",
}
_ODD_LINK = re.compile(r"\s*(?!https?:|mailto:|tel:)([a-z][a-z0-9+.-]*:|\\\\)", re.IGNORECASE)

# Limits for the expanded size of one stream, and of all; the first is the limit of pypdf.
_STREAM_BYTES = 75_000_000
_ALL_BYTES = 10 * _STREAM_BYTES
_VALUES = 2_000_000
_PIECE = 1024 * 1024


class TooExpensive(Exception):
    """The file needs more memory or time than a document should."""


def confine(memory: int, seconds: int) -> None:
    """Limit this process and its children, irrevocably, to what reading one file needs.

    Without new descriptors, a parser that was taken over can open no file and no
    socket. Open descriptors stay.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def judge(content: bytes) -> dict[str, Any]:
    """Return the verdict on a PDF and its suspicions."""
    from pypdf.errors import LimitReachedError

    try:
        suspicions = sorted(suspicions_in(content))
    except (TooExpensive, LimitReachedError, MemoryError, RecursionError):
        return {"verdict": "unreadable", "suspicions": ["too_expensive"]}
    except Exception:  # a parser fails in more ways than it documents
        return {"verdict": "unreadable", "suspicions": ["malformed"]}
    return {"verdict": "suspect" if suspicions else "clean", "suspicions": suspicions}


def suspicions_in(content: bytes) -> set[str]:
    """Return the suspicions about a PDF; raises any exception of pypdf if it is malformed.

    Checks every object of the file, not only those that a viewer is known to reach.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError
    from pypdf.generic import StreamObject

    try:
        reader = PdfReader(BytesIO(content), strict=True)
    except DependencyError:  # a cipher for which pypdf needs another library
        return {"encrypted"}
    if reader.is_encrypted:
        return {"encrypted"}
    if not reader.get_num_pages():
        raise ValueError("there is no page")
    found: set[str] = set()
    expanded = 0
    for value in dictionaries(reader):
        found.update(suspicions_of(value))
        if isinstance(value, StreamObject):
            expanded += expanded_size(value)
            if expanded > _ALL_BYTES:
                raise TooExpensive
    return found


def dictionaries(reader: Any) -> Iterator[Any]:
    """Yield every dictionary and stream of a file, each once."""
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

    numbers = [(n, generation) for generation in reader.xref for n in reader.xref[generation]]
    numbers += [(n, 0) for n in reader.xref_objStm]
    seen = 0
    for number, generation in numbers:
        # References are not followed, because their objects have numbers too.
        waiting = [reader.get_object(IndirectObject(number, generation, reader))]
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


def suspicions_of(value: Any) -> Iterator[str]:
    """Yield why one dictionary is suspect."""
    for key, suspicion in _BY_KEY.items():
        if key in value:
            yield suspicion
    for key, names in _BY_NAME.items():
        # `value[key]` resolves a reference, where `get` would not.
        if key in value and isinstance(name := value[key], str) and name in names:
            yield names[name]
    if "/URI" in value and _ODD_LINK.match(_text(value["/URI"])):
        yield "odd_link"


def expanded_size(stream: Any) -> int:
    """Return the expanded size of a stream without storing it.

    Only deflate filters are counted: no other filter expands much.
    """
    from pypdf.generic import ArrayObject, StreamObject

    filters = stream["/Filter"] if "/Filter" in stream else []  # noqa: SIM401  (`get` resolves nothing)
    pieces: Iterable[bytes] = [StreamObject.get_data(stream)]  # as stored in the file
    for name in filters if isinstance(filters, ArrayObject) else [filters]:
        if name != "/FlateDecode":
            break
        pieces = _inflated(pieces)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _STREAM_BYTES:
            raise TooExpensive
    return size


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress piece by piece, up to the first error."""
    engine = zlib.decompressobj()
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield engine.decompress(rest, _PIECE)
                rest = engine.unconsumed_tail
    except zlib.error:
        return


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _load() -> None:
    """Import what the parser needs while files can still be opened."""
    import pypdf.filters  # noqa: F401

    for encoding in ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le"):
        codecs.lookup(encoding)
    logging.disable()  # pypdf warns of each repair


def main() -> int:
    """Print the verdict on the PDF on stdin."""
    try:
        memory, seconds = (int(text) for text in sys.argv[1:])
        _load()
        confine(memory, seconds)
    except (ImportError, ValueError, OSError):
        return NOT_BEGUN
    print(json.dumps(judge(sys.stdin.buffer.read())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
