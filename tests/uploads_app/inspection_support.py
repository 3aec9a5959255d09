"""Harmless PDF parts, and helpers that run the worker's inspection of a file."""

from tests.helpers import Visitor, pdf, uploaded
from tests.uploads_app.inspection.hostile_pdfs import PAGE, packed, stream, written
from uploads_app.models import Inspection, UploadedFile
from uploads_app.tasks import inspect_uploads

CATALOG = "<< /Type /Catalog /Pages 2 0 R >>"
PAGES = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
CLEAN = {
    "a page": pdf(),
    "an odd space after its end": pdf(size=100_000),
    "a destination on open": written("/OpenAction [3 0 R /Fit]"),
    "links to the web and to mail": written(
        "",
        "/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] /A << /S /URI /URI"
        " (https://example.com/?a=javascript:1) >> >> << /Subtype /Link /Rect [0 0 1 1]"
        " /A << /S /URI /URI (mailto:a@example.com) >> >> << /Subtype /Link /Rect [0 0 1 1]"
        " /A << /S /URI /URI (www.example.com/a) >> >>]",
    ),
    "a form that stays at home": written(
        "/AcroForm << /Fields [<< /FT /Tx /T (name) /V (Anna) >>] >>"
    ),
    "words of a script": written("", "/Contents 4 0 R", stream(b"(/JavaScript /JS) Tj")),
    "objects in a stream": packed({1: CATALOG, 2: PAGES, 3: PAGE}),
    "a reference to itself": written("/Loop 4 0 R", "", "<< /Loop 4 0 R >>"),
}


def inspected(visitor: Visitor, body: bytes, name: str = "a.pdf") -> UploadedFile:
    """Upload a file, run the worker's task, and return the row."""
    upload = uploaded(visitor, body, name)
    assert upload.inspection == Inspection.WAITING
    assert inspect_uploads() == 1
    upload.refresh_from_db()
    return upload


def verdict(upload: UploadedFile) -> tuple[str, str]:
    return upload.inspection, ", ".join(upload.suspicions)
