"""Measure how far a PDF stream expands, with limits. Runs in the process of pdf.py only."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pypdf.errors import LimitReachedError
from pypdf.filters import ASCII85Decode, ASCIIHexDecode, LZWDecode, RunLengthDecode
from pypdf.generic import ArrayObject, StreamObject

# Limits for the expanded size of one stream, and of all; the first is the limit of pypdf.
STREAM_BYTES = 75_000_000
ALL_BYTES = 10 * STREAM_BYTES
_PIECE = 1024 * 1024

Pieces = Iterable[bytes]


class TooExpensive(Exception):
    """The file needs more memory or time than a document should."""


def expanded_size(stream: Any) -> int:
    """Return the expanded size of a stream; raises TooExpensive if a filter expands it too far.

    Stops at the first filter that only makes a picture, and at damaged data. A
    predictor changes bytes but does not add any.
    """
    pieces: Pieces = [StreamObject.get_data(stream)]  # as stored in the file
    for name in _filters(stream):
        decode = _DECODERS.get(name)
        if decode is None:
            break
        pieces = _limited(decode(pieces))
    return sum(map(len, _limited(pieces)))


def _filters(stream: Any) -> list[Any]:
    value = stream["/Filter"] if "/Filter" in stream else []  # noqa: SIM401  (`get` resolves nothing)
    names = list.__iter__(value) if isinstance(value, ArrayObject) else [value]
    return [name.get_object() for name in names if hasattr(name, "get_object")]


def _limited(pieces: Pieces) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > STREAM_BYTES:
            raise TooExpensive
        yield piece


def _inflated(pieces: Pieces) -> Iterator[bytes]:
    """Decompress piece by piece, up to the end mark of the data or the first error."""
    engine = zlib.decompressobj()
    try:
        for piece in pieces:
            rest = piece
            # After the end mark, `unconsumed_tail` keeps the bytes that follow it.
            while rest and not engine.eof:
                yield engine.decompress(rest, _PIECE)
                rest = engine.unconsumed_tail
    except zlib.error:
        return


def _whole(decode: Callable[[bytes], bytes]) -> Callable[[Pieces], Iterator[bytes]]:
    """Return a decoder of pieces for a decoder of pypdf, which needs all bytes and has a limit."""

    def decoded(pieces: Pieces) -> Iterator[bytes]:
        data = b"".join(pieces)
        try:
            yield decode(data)
        except (LimitReachedError, MemoryError):
            raise
        except Exception:  # damaged data, which no reader expands either
            return

    return decoded


def _ascii85(data: bytes) -> bytes:
    return ASCII85Decode.decode(
        data.partition(b"~>")[0] + b"~>"
    )  # nothing after the end mark counts


_DECODERS = {
    "/FlateDecode": _inflated,
    "/LZWDecode": _whole(LZWDecode.decode),
    "/RunLengthDecode": _whole(RunLengthDecode.decode),
    "/ASCII85Decode": _whole(_ascii85),
    "/ASCIIHexDecode": _whole(ASCIIHexDecode.decode),
}
# The short names are for inline images, but readers accept them everywhere.
_DECODERS |= {
    "/Fl": _DECODERS["/FlateDecode"],
    "/LZW": _DECODERS["/LZWDecode"],
    "/RL": _DECODERS["/RunLengthDecode"],
    "/A85": _DECODERS["/ASCII85Decode"],
    "/AHx": _DECODERS["/ASCIIHexDecode"],
}
