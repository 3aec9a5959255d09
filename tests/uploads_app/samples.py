"""Small valid files of every known type, and handwritten multipart bodies."""

import io
import struct
import zipfile
import zlib
from typing import Any

from tests.helpers import Visitor, pdf

UPLOADS = "/api/v1/uploads/"
BOUNDARY = b"maria-test-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
PLENTY = {
    name: ["1000000/m"] for name in ("create", "validate", "failed_proof", "session", "upload")
}


def sample(extension: str) -> bytes:
    """Return a valid file of a type in KNOWN_TYPES."""
    match extension:
        case "pdf":
            return pdf()
        case "docx":
            return office("word/document.xml")
        case "xlsx":
            return office("xl/workbook.xml")
    images = {"png": _png, "jpg": _jpeg, "jpeg": _jpeg, "gif": _gif, "webp": _webp}
    return images[extension]()


def office(main: str) -> bytes:
    """Return an Office Open XML file with the main part `main`, in the order of Word and Excel."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", f'<Relationships><Target="{main}"/></Relationships>')
        archive.writestr(main, "<document>hello</document>")
    return out.getvalue()


def part(
    content: bytes,
    filename: bytes | None = b"report.pdf",
    field: bytes = b"file",
    extra: bytes = b"",
) -> bytes:
    """Return one part of a form; `filename` is not escaped."""
    head = b'Content-Disposition: form-data; name="' + field + b'"'
    if filename is not None:
        head += b'; filename="' + filename.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return raw_part(head + extra, content)


def raw_part(headers: bytes, content: bytes) -> bytes:
    """Return one part of a form with these header lines."""
    return b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def post_form(visitor: Visitor, body: bytes, **extra: Any) -> Any:
    """POST uploads/ with a handwritten body."""
    return visitor.generic("POST", UPLOADS, body, FORM, **{**visitor.named, **extra})


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00\x00")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _gif() -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00\x3b"


def _jpeg() -> bytes:
    return (
        b"\xff\xd8\xff\xe0"
        + struct.pack(">H", 16)
        + b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
    )


def _webp() -> bytes:
    pixel = b"VP8L" + struct.pack("<I", 13) + bytes.fromhex("2f0000001007101111 8888fe0700")
    return b"RIFF" + struct.pack("<I", 4 + len(pixel) + 1) + b"WEBP" + pixel + b"\x00"
