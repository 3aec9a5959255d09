"""Files of an allowed type that are also a page or a script.

Whoever runs one of them sets `pwned` in its window, opens a dialog and asks
the site for `/pwned`.
"""

import io
import struct
import zipfile
import zlib
from functools import cache

from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from tests.helpers import pdf
from tests.uploads_app.samples import sample

SCRIPT = "window.pwned=1;new Image().src='/pwned';alert('pwned')"
HTML = f'<html><body><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}"></body></html>'
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>'


@cache
def polyglots() -> dict[str, bytes]:
    """Return twelve files by upload name."""
    head, rest = pdf().split(b"\n", 1)
    png, jpeg = sample("png"), sample("jpg")
    return {
        "html-after-header.pdf": head + b"\n%" + HTML.encode() + b"\n" + rest,
        "html-after-end.pdf": pdf() + HTML.encode(),
        "svg-after-end.pdf": pdf() + SVG.encode(),
        "zip-after-end.pdf": pdf() + _zip(),
        "script-on-open.pdf": _pdf_that_opens(JS=f"app.alert('pwned');{SCRIPT}"),
        "link-on-open.pdf": _pdf_that_opens(URI=f"javascript:{SCRIPT}"),
        "html-in-comment.png": png[:33] + _chunk(b"tEXt", b"c\0" + HTML.encode()) + png[33:],
        "html-in-comment.jpg": jpeg[:2] + _comment(HTML.encode()) + jpeg[2:],
        "script.gif": b"GIF89a=1/*" + sample("gif")[10:] + b"*/;" + SCRIPT.encode(),
        "html-after-end.gif": sample("gif") + HTML.encode(),
        "script.webp": b"RIFF=1/*WEBPVP8L" + sample("webp")[16:] + b"*/;" + SCRIPT.encode(),
        "html.docx": sample("docx") + HTML.encode(),
    }


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", HTML)
    return out.getvalue()


def _pdf_that_opens(**action: str) -> bytes:
    """Return a PDF with an open action."""
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    values = {NameObject(f"/{key}"): TextStringObject(text) for key, text in action.items()}
    kind = {NameObject("/S"): NameObject("/URI" if "URI" in action else "/JavaScript")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject({**kind, **values})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _comment(data: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(data) + 2) + data
