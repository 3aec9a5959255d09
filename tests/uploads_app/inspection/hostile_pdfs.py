"""PDFs with dangerous features, written object by object, and decompression bombs."""

import io
import zlib
from collections.abc import Iterable
from functools import cache

from pypdf import PdfWriter

from tests.helpers import pdf

# In two pieces, so that virus scanners do not report this source file.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
MEBIBYTE = 1024 * 1024


def written(catalog: str = "", page: str = "", *more: str | bytes, trailer: str = "") -> bytes:
    """Return a one-page PDF with these entries in its catalog and page.

    `objects` are its other objects, numbered from 4.
    """
    objects: list[str | bytes] = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE.replace(">>", f"{page} >>"),
        *more,
    ]
    return assembled(objects, trailer)


def assembled(objects: Iterable[str | bytes], trailer: str = "") -> bytes:
    """Return a PDF with these objects, numbered from 1; the first is the catalog."""
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        text = body if isinstance(body, bytes) else body.encode("latin-1")
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, text))
    start = out.tell()
    lines = [f"{place:010} 00000 n \n" for place in places]
    out.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{''.join(lines)}".encode())
    out.write(f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R {trailer} >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def stream(data: bytes, entries: str = "") -> bytes:
    """Return the body of a stream object."""
    head = f"<< /Length {len(data)} {entries} >>\nstream\n".encode()
    return head + data + b"\nendstream"


@cache
def deflated(size: int, times: int = 1) -> bytes:
    """Return spaces, deflated one or more times."""
    engine = zlib.compressobj(9)
    data = b"".join(engine.compress(b" " * MEBIBYTE) for _ in range(size // MEBIBYTE))
    data += engine.flush()
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def packed(objects: dict[int, str], padding: int = 0) -> bytes:
    """Return a PDF with its objects in a deflated object stream, after `padding` spaces.

    Number 1 must be the catalog.
    """
    bodies, places, at = "", [], 0
    for number, body in objects.items():
        places.append(f"{number} {at}")
        bodies += body + "\n"
        at = len(bodies)
    head = " ".join(places) + " "
    engine = zlib.compressobj(9)
    data = engine.compress((head + bodies).encode())
    data += b"".join(engine.compress(b" " * MEBIBYTE) for _ in range(padding // MEBIBYTE))
    data += engine.flush()
    holder = max(objects) + 1
    entries = f"/Type /ObjStm /N {len(objects)} /First {len(head)} /Filter /FlateDecode"
    out = b"%PDF-1.7\n"
    object_stream_at = len(out)
    out += b"%d 0 obj\n%b\nendobj\n" % (holder, stream(data, entries))
    table_at = len(out)
    rows = [b"\0\0\0\0\0\xff"]
    numbers = list(objects)
    for number in range(1, holder):
        rows.append(b"\2" + holder.to_bytes(4, "big") + bytes([numbers.index(number)]))
    rows.append(b"\1" + object_stream_at.to_bytes(4, "big") + b"\0")
    rows.append(b"\1" + table_at.to_bytes(4, "big") + b"\0")
    entries = f"/Type /XRef /Size {len(rows)} /W [1 4 1] /Root 1 0 R"
    out += b"%d 0 obj\n%b\nendobj\n" % (holder + 1, stream(b"".join(rows), entries))
    return out + b"startxref\n%d\n%%%%EOF\n" % table_at


def encrypted(password: str, algorithm: str = "RC4-128") -> bytes:
    """Return a PDF encrypted with this password, which may be empty."""
    writer = PdfWriter(io.BytesIO(pdf()))
    writer.encrypt(password, "owner", algorithm=algorithm)
    return _bytes(writer)


def with_attachment(name: str, content: bytes) -> bytes:
    """Return a PDF with an attached file."""
    writer = PdfWriter(io.BytesIO(pdf()))
    writer.add_attachment(name, content)
    return _bytes(writer)


def _bytes(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
