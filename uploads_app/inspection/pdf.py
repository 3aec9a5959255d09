"""A look inside a PDF: a program of its own, with the file on stdin and one line of JSON on stdout.

    python -I pdf.py MEMORY_BYTES CPU_SECONDS < file
    {"verdict": "suspect", "suspicions": ["javascript"]}

What a stranger sent is parsed here and nowhere else. So before it reads a byte
this process gives up what it will not need: memory, time, and the means to
open or write anything. It imports nothing of ours; who runs it, and what an
answer that never comes means, is in uploads_app/inspection/sandbox.py.
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

# What could not begin says nothing about a file.
NOT_BEGUN = 75

# Actions (/S), kinds of annotation and stream (/Subtype, /Type), and keys that are suspect wherever
# they stand. https://opensource.adobe.com/dc-acrobat-sdk-docs/standards/pdfstandards/pdf/PDF32000_2008.pdf
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

# What one stream, and all of them together, may expand to: pypdf itself expands none further.
_STREAM_BYTES = 75_000_000
_ALL_BYTES = 10 * _STREAM_BYTES
_VALUES = 2_000_000
_PIECE = 1024 * 1024


class TooExpensive(Exception):
    """The file asks for more than a document needs."""


def confine(memory: int, seconds: int) -> None:
    """Take away from this process, for good, what reading one file does not need.

    No new descriptor means no file and no socket, whatever the parser is talked
    into; those that are open stay. A program that it starts inherits all this.
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
    """Return the verdict on a PDF's bytes, and what it rests on."""
    from pypdf.errors import LimitReachedError

    try:
        suspicions = sorted(suspicions_in(content))
    except (TooExpensive, LimitReachedError, MemoryError, RecursionError):
        return {"verdict": "unreadable", "suspicions": ["too_expensive"]}
    except Exception:  # a parser fails in more ways than it documents
        return {"verdict": "unreadable", "suspicions": ["malformed"]}
    return {"verdict": "suspect" if suspicions else "clean", "suspicions": suspicions}


def suspicions_in(content: bytes) -> set[str]:
    """Return what is suspect in a PDF; raises whatever pypdf raises for one that is not sound.

    Every object of the file is looked at, not only those that a viewer comes
    to by a path that is known here.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError
    from pypdf.generic import StreamObject

    try:
        reader = PdfReader(BytesIO(content), strict=True)
    except DependencyError:  # a cipher that pypdf leaves to another library
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
        # A reference within is not followed: what it names has a number too.
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
    """Yield why one dictionary is suspect, by itself."""
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
    """Return how many bytes a stream expands to, keeping none of them.

    Only deflate is counted, once or several times over: no other filter makes
    much of little.
    """
    from pypdf.generic import ArrayObject, StreamObject

    filters = stream["/Filter"] if "/Filter" in stream else []  # noqa: SIM401  (`get` resolves nothing)
    pieces: Iterable[bytes] = [StreamObject.get_data(stream)]  # as they stand in the file
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
    """Expand piece by piece, as far as the data is sound."""
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
    """Load what reading a file will want, while files can still be opened."""
    import pypdf.filters  # noqa: F401

    for encoding in ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le"):
        codecs.lookup(encoding)
    logging.disable()  # pypdf warns of what it mends


def main() -> int:
    """Judge what stdin holds and say so in one line."""
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
