"""The media type of a file, judged by its first bytes, and for Office files by its last."""

import io
from dataclasses import dataclass
from typing import IO

from uploads_app.inspection.office import office_type


@dataclass(frozen=True)
class Signature:
    """Bytes that a type has at fixed offsets, and bytes at offsets that make it another type."""

    content_type: str
    has: tuple[tuple[int, bytes], ...]
    has_not: tuple[tuple[int, bytes], ...] = ()

    def fits(self, head: bytes) -> bool:
        return all(head.startswith(magic, offset) for offset, magic in self.has) and not any(
            head.startswith(magic, offset) for offset, magic in self.has_not
        )


_DICOM = (128, b"DICM")
_TAR = (257, b"ustar")
_SIGNATURES = (
    Signature("image/jpeg", ((0, b"\xff\xd8\xff"),)),
    Signature("image/png", ((0, b"\x89PNG"),)),
    Signature("image/gif", ((0, b"GIF"),)),
    Signature("image/webp", ((0, b"RIFF"), (8, b"WEBPVP"))),
)
# Readers find a PDF's header anywhere in these bytes (ISO 32000-1, annex H, note 13).
PDF_HEADER_BYTES = 1024
PDF_HEADER = b"%PDF-"
# A file that begins as one of these, or has it at its place, is not a PDF with bytes before it.
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!")
_OTHERS = (_DICOM, _TAR)
_ZIP = Signature("application/zip", ((0, b"PK\x03\x04"),), (_DICOM,))


def guess_type(head: bytes, content: IO[bytes] | None = None) -> str | None:
    """Return the media type of a file that begins with `head`, None if it is not a known type.

    Office files are recognized by the end of `content`. Without it, `head` is the whole file.
    """
    for signature in _SIGNATURES:
        if signature.fits(head):
            return signature.content_type
    if _ZIP.fits(head):
        return office_type(io.BytesIO(head) if content is None else content)
    return "application/pdf" if _is_pdf(head) else None


def _is_pdf(head: bytes) -> bool:
    """Say whether a file that is no other known type has the header of a PDF."""
    if head.startswith(_PROGRAMS) or any(head.startswith(magic, at) for at, magic in _OTHERS):
        return False
    return PDF_HEADER in head[:PDF_HEADER_BYTES]
