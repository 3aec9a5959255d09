"""The media type of a file, judged by its first bytes."""

from dataclasses import dataclass

_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIP_ENTRY = b"PK\x03\x04"
_ENTRY_NAME = 30
# How far apart two entries of an Office file may be, and after how many the main folder must come.
_ENTRY_DISTANCE = 6000
_ENTRIES = 4
_FIRST_ENTRIES = (b"[Content_Types].xml", b"_rels/.rels", b"docProps")


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
# Office Open XML: a ZIP file whose main part is in this folder.
_OFFICE_FOLDERS = {
    f"{_OFFICE}wordprocessingml.document": b"word/",
    f"{_OFFICE}spreadsheetml.sheet": b"xl/",
}
_ZIP = Signature("application/zip", ((0, _ZIP_ENTRY),), (_DICOM,))


def guess_type(head: bytes) -> str | None:
    """Return the media type of a file that begins with `head`, None if it is not a known type."""
    for signature in _SIGNATURES:
        if signature.fits(head):
            is_animated = signature.content_type == "image/png" and _is_animated(head)
            return None if is_animated else signature.content_type
    if _ZIP.fits(head):
        return _office_type(head)
    return "application/pdf" if _is_pdf(head) else None


def _is_pdf(head: bytes) -> bool:
    """Say whether a file that is no other known type has the header of a PDF."""
    if head.startswith(_PROGRAMS) or any(head.startswith(magic, at) for at, magic in _OTHERS):
        return False
    return PDF_HEADER in head[:PDF_HEADER_BYTES]


def _office_type(head: bytes) -> str | None:
    entries = _entries(head)
    for content_type, folder in _OFFICE_FOLDERS.items():
        if any(head.startswith(folder, entry + _ENTRY_NAME) for entry in entries):
            return content_type
    return None


def _entries(head: bytes) -> list[int]:
    """Return where the entries begin that may name the main folder: the first, or the first five."""
    entries = [0]
    if head.startswith(_FIRST_ENTRIES, _ENTRY_NAME):
        for _ in range(_ENTRIES):
            start = entries[-1] + len(_ZIP_ENTRY)
            found = head.find(_ZIP_ENTRY, start, start + _ENTRY_DISTANCE)
            if found < 0:
                break
            entries.append(found)
    return entries


def _is_animated(head: bytes) -> bool:
    """Say whether a PNG is animated: whether the chunk acTL comes before the image data."""
    position = 8
    while head.startswith(b"\x89PNG\r\n\x1a\n") and position < len(head):
        kind = head[position + 4 : position + 8]
        if kind in (b"IDAT", b"IEND", b"acTL"):
            return kind == b"acTL"
        position += 12 + int.from_bytes(head[position : position + 4], "big")
    return False
