"""Sound PDFs of unusual form: bytes after a stream's end mark, before the header, around its tables."""

import base64
import io
import re
import zlib
from collections.abc import Iterable
from functools import partial

from tests.uploads_app.inspection.hostile_pdfs import MEBIBYTE, deflated, stream, written

SCRIPT = "<< /S /JavaScript /JS (app.alert(1)) >>"


def with_contents(data: bytes, entries: str) -> bytes:
    """Return a PDF whose page has this content stream."""
    return written("", "/Contents 4 0 R", stream(data, entries))


def ascii85(data: bytes) -> bytes:
    return base64.a85encode(data) + b"~>"


def run_lengths(size: int) -> bytes:
    """Return zeros for RunLengthDecode, 2 bytes for each 128."""
    return b"\x81\0" * (size // 128) + b"\x80"


def lzw(tables: int) -> bytes:
    """Return zeros for LZWDecode, 7.4 MB for each of `tables`."""
    bits = io.StringIO()
    for _ in range(tables):
        bits.write(f"{256:012b}" if bits.tell() else f"{256:09b}")
        for index, code in enumerate([0, *range(258, 4094)]):
            bits.write(f"{code:0{_lzw_width(257 + index)}b}")
    bits.write(f"{257:012b}")
    text = bits.getvalue()
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _lzw_width(entries: int) -> int:
    return 9 + (entries >= 511) + (entries >= 1023) + (entries >= 2047)


def moved(prefix: bytes, body: bytes) -> bytes:
    """Return a PDF after other bytes, with offsets that count from the first byte."""
    shift = len(prefix)
    start = body.index(b"xref\n")
    table = re.sub(
        rb"(?m)^(\d{10}) (\d{5} n)",
        lambda found: b"%010d %b" % (int(found[1]) + shift, found[2]),
        body[start:],
    )
    table = re.sub(
        rb"startxref\n(\d+)", lambda found: b"startxref\n%d" % (int(found[1]) + shift), table
    )
    return prefix + body[:start] + table


def with_entry(entry: bytes, body: bytes = b"") -> bytes:
    """Return a PDF with one more entry in its cross-reference table, for an object that it lacks."""
    body = body or written()
    count = int(re.findall(rb"xref\n0 (\d+)\n", body)[0])
    return (
        body.replace(b"xref\n0 %d\n" % count, b"xref\n0 %d\n" % (count + 1))
        .replace(b"trailer\n", entry + b"trailer\n")
        .replace(b"/Size %d" % count, b"/Size %d" % (count + 1))
    )


def inserted(body: bytes, before_table: bytes) -> bytes:
    """Return a PDF with bytes before its table that no table knows."""
    start = body.index(b"xref\n")
    at = start + len(before_table)
    tail = re.sub(rb"startxref\n\d+", b"startxref\n%d" % at, body[start:])
    return body[:start] + before_table + tail


def updated(body: bytes, objects: dict[int, str], *, gap: bytes = b"", root: int = 1) -> bytes:
    """Append changed objects and a table whose /Prev points at the `gap` before the older table."""
    start = int(re.findall(rb"startxref\n(\d+)", body)[-1])
    body = body[:start] + gap + body[start:]
    parts = [f"{number} 0 obj\n{value}\nendobj\n".encode() for number, value in objects.items()]
    table = b"xref\n"
    at = len(body)
    for number, part in zip(objects, parts, strict=True):
        table += b"%d 1\n%010d 00000 n \n" % (number, at)
        at += len(part)
    size = max([*objects, 5]) + 1
    trailer = b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\n" % (size, root, start)
    return body + b"".join(parts) + table + trailer + b"startxref\n%d\n%%%%EOF\n" % at


def hybrid(hidden: str, *, free: bytes = b"0000000000 65535 f \n", gap: bytes = b"") -> bytes:
    """Return a PDF whose object 4 only the /XRefStm of its table knows."""
    body = written()
    start = body.index(b"xref\n")
    head, tail = body[:start], body[start:]
    at = len(head)
    head += b"4 0 obj\n%b\nendobj\n" % hidden.encode()
    row = b"\1" + at.to_bytes(4, "big") + b"\0"
    stream_at = len(head)
    entries = "/Type /XRef /Size 6 /Index [4 1] /W [1 4 1] /Root 1 0 R"
    head += gap + b"5 0 obj\n%b\nendobj\n" % stream(row, entries)
    tail = tail.replace(b"xref\n0 4\n", b"xref\n0 6\n")
    tail = tail.replace(b"trailer\n<< /Size 4", free * 2 + b"trailer\n<< /Size 6")
    tail = tail.replace(b" >>\nstartxref", b" /XRefStm %d >>\nstartxref" % stream_at)
    return head + re.sub(rb"startxref\n\d+", b"startxref\n%d" % len(head), tail)


def table_stream(rows: Iterable[bytes], body: bytes, entries: str = "", tail: bytes = b"") -> bytes:
    """Return the objects of a PDF with a deflated cross-reference stream instead of its table."""
    head = body[: body.index(b"xref\n")]
    all_rows = list(rows)
    number = len(all_rows)
    all_rows.append(b"\1" + len(head).to_bytes(4, "big") + b"\0")
    data = zlib.compress(b"".join(all_rows)) + tail
    fields = f"/Type /XRef /Size {number + 1} /W [1 4 1] /Root 1 0 R /Filter /FlateDecode {entries}"
    head += b"%d 0 obj\n%b\nendobj\n" % (number, stream(data, fields))
    return head + b"startxref\n%d\n%%%%EOF\n" % head.rindex(b"%d 0 obj" % number)


def rows_of(body: bytes) -> list[bytes]:
    """Return the rows of a PDF's cross-reference table, as its stream would have them."""
    found = re.findall(rb"(?m)^(\d{10}) (\d{5}) ([nf]) $", body)
    return [
        (b"\1" if kind == b"n" else b"\0") + int(at).to_bytes(4, "big") + b"\0"
        for at, _, kind in found
    ]


PLAIN = written()
LONG = deflated(3 * MEBIBYTE)
FLATE = "/Filter /FlateDecode"
_HUGE = partial(deflated, 80 * MEBIBYTE)
PNG_ROWS = "/DecodeParms << /Predictor 15 /Columns 1023 >>"

# Bytes after the end of the data: most often a line end that /Length counts.
WITH_A_TAIL = {
    "a line end": with_contents(LONG + b"\n", FLATE),
    "a line end of two bytes": with_contents(LONG + b"\r\n", FLATE),
    "zeros": with_contents(LONG + bytes(5000), FLATE),
    "deflated twice": with_contents(
        zlib.compress(LONG + b"\n") + b"\n", "/Filter [/FlateDecode /FlateDecode]"
    ),
    "rows of a picture": with_contents(LONG + b"\n", f"{FLATE} {PNG_ROWS}"),
    "ASCII": with_contents(
        ascii85(LONG + b"\n") + b"\n\n", "/Filter [/ASCII85Decode /FlateDecode]"
    ),
    "hexadecimal": with_contents(
        (LONG + b"\n").hex().encode() + b">\n", "/Filter [/ASCIIHexDecode /FlateDecode]"
    ),
    "run lengths": with_contents(
        zlib.compress(run_lengths(3 * MEBIBYTE) + b"\n\n") + b"\n",
        "/Filter [/FlateDecode /RunLengthDecode]",
    ),
    "LZW": with_contents(lzw(1) + b"\n", "/Filter /LZWDecode"),
    "the short name": with_contents(LONG + b"\n", "/Filter /Fl"),
    "a table": table_stream(rows_of(PLAIN), PLAIN, tail=b"\n"),
    "data that is cut": with_contents(LONG[:-100], FLATE),
    "damaged data": with_contents(LONG[:50] + b"\xff" * 50 + LONG[50:], FLATE),
}
# As functions, because they take a while to make.
BOMBS = {
    "a deflated stream with a tail": lambda: with_contents(_HUGE() + b"\n", FLATE),
    "in ASCII": lambda: with_contents(
        ascii85(_HUGE()) + b"x", "/Filter [/ASCII85Decode /FlateDecode]"
    ),
    "in hexadecimal": lambda: with_contents(
        _HUGE().hex().encode(), "/Filter [/ASCIIHexDecode /FlateDecode]"
    ),
    "of run lengths": lambda: with_contents(
        zlib.compress(run_lengths(80 * MEBIBYTE)), "/Filter [/FlateDecode /RunLengthDecode]"
    ),
    "of LZW": lambda: with_contents(lzw(11), "/Filter /LZWDecode"),
    "by a short name": lambda: with_contents(_HUGE(), "/Filter [/Fl]"),
}

_SPACE_BEFORE = b" \n\r\n   "
# A table, its offsets and its free entries in every form that readers take without a guess.
ODD_TABLES = {
    "an unused entry in use at 0": with_entry(b"0000000000 00000 n \n"),
    "several of them": with_entry(b"0000000000 00000 n \n", with_entry(b"0000000000 00001 n \n")),
    "such an entry in a stream": table_stream([*rows_of(PLAIN), b"\1\0\0\0\0\0"], PLAIN),
    "white space before the older table": updated(PLAIN, {4: "<< /A 1 >>"}, gap=_SPACE_BEFORE),
    "white space before the only table": PLAIN.replace(b"xref\n0", b"  \n xref\n0", 1),
    "white space before the older stream": updated(
        table_stream(rows_of(PLAIN), PLAIN), {5: "<< /A 1 >>"}
    ),
    "no older table": written(trailer="/Prev 0"),
    "a hybrid file": hybrid("<< /A 1 >>"),
    "a hybrid file with white space": hybrid("<< /A 1 >>", gap=b" \n "),
    "a reference to no object": written("/OpenAction 99 0 R /AA 98 7 R", "/AA 97 0 R"),
    "the text of objects in a stream": with_contents(b"9 0 obj << /A [ 8 0 obj ( 7 0 obj 1", ""),
    "no end mark": PLAIN.replace(b"%%EOF\n", b""),
    "zeros after the end mark": PLAIN + bytes(500),
}
