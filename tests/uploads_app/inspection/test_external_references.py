"""Whatever makes a reader open another file or address is found, in each form that PDF has for it."""

from tests.cases import cases
from tests.helpers import Visitor
from tests.uploads_app.inspection.hostile_pdfs import stream, written
from tests.uploads_app.inspection_support import inspected, verdict
from uploads_app.inspection.pdf import judge

FILE = "/F (a.pdf)"
SPECIFICATION = "<< /Type /Filespec /F (a.pdf) >>"
WEB = "<< /S /URI /URI (https://evil.example/) >>"


def image(entries: str) -> bytes:
    return written("", "", stream(b"x", f"/Type /XObject /Subtype /Image {entries}"))


def linked(text: bytes) -> bytes:
    """Return a PDF with one link, with these bytes as its target."""
    return written("", f"/Annots [<< /A << /S /URI /URI <{text.hex()}> >> >>]")


OPENS_FILES = {
    "a thread of another file": written(f"/OpenAction << /S /Thread /D 0 {FILE} >>"),
    "a thread by references": written(
        "/OpenAction 4 0 R", "", "<< /S 5 0 R /F 6 0 R >>", "/Thread", "(a.pdf)"
    ),
    "a page of another file": written(
        "", "", stream(b"", f"/Subtype /Form /Ref << {FILE} /Page 0 >>")
    ),
    "a page by a reference": written(
        "", "", stream(b"", "/Subtype /Form /Ref 5 0 R"), f"<< {FILE} /Page 0 >>"
    ),
    "an image in another file": image(FILE),
    "an image at an address": image("/F << /FS /URL /F (https://evil.example/a.png) >>"),
    "an image by a reference": written("", "", stream(b"", "/F 5 0 R"), SPECIFICATION),
    "an image named in UTF-16": image("/F <feff0061>"),
    "a page's content": written("", "/Contents 4 0 R", stream(b"", FILE)),
    "a font's data": written("", "", stream(b"", f"/Length1 9 {FILE} /FFilter /FlateDecode")),
    "a picture for the press": written("", "", stream(b"", f"/OPI << /2.0 << {FILE} >> >>")),
    "an associated file elsewhere": written(f"/AF [{SPECIFICATION}]"),
    "an associated file without a type": written("/AF [<< /F (a.pdf) /Desc (a) >>]"),
    "a file by its newer key": written("/AF [<< /Type /Filespec /UF (a.pdf) >>]"),
}
CLEAN = {
    "a thread of this file": written("/OpenAction << /S /Thread /D 0 >>"),
    "flags of an annotation": written("", "/Annots [<< /Subtype /Link /F 4 >>]"),
    "a font named F": written("", "/Resources << /Font << /F << /Type /Font >> >> >>"),
    "the short name of a filter": image("/F /FlateDecode"),
    "references between marks": written("/StructTreeRoot << /K << /Ref [3 0 R] >> >>"),
    "a web link on a page": written("", f"/Annots [<< /Subtype /Link /A {WEB} >>]"),
    "a web link of a button": written("", f"/Annots [<< /Subtype /Widget /AA << /U {WEB} >> >>]"),
    "a web link in two lines": linked(b"https://example.com/\n  a"),
    "a base for links": written("/URI << /Base (https://example.com/) >>"),
    "a link within the site": linked(b"/a/b?c=javascript:1"),
}
ODD_LINKS = {
    "a tab inside": linked(b"java\tscript:alert(1)"),
    "a line end inside": linked(b"java\r\nscript:alert(1)"),
    "a control character before": linked(b"\x01javascript:alert(1)"),
    "an accent of PDFDocEncoding before": linked(b"\x1fjavascript:alert(1)"),
    "a space that does not break": linked(b"\xa0javascript:alert(1)"),
    "a zero": linked(b"\0javascript:alert(1)"),
    "a zero before the colon": linked(b"javascript\0:alert(1)"),
    "UTF-16": linked("javascript:alert(1)".encode("utf-16")),
    "UTF-16 of the other order": linked(b"\xfe\xff" + "java\tscript:1".encode("utf-16-be")),
    "UTF-16 without a mark": linked("javascript:alert(1)".encode("utf-16-be")),
    "UTF-8 with a mark": linked(b"\xef\xbb\xbfjavascript:alert(1)"),
    "a space without width": linked("\u200bjavascript:alert(1)".encode("utf-16")),
    "capitals": linked(b"JAVASCRIPT:alert(1)"),
    "a file": linked(b"\tfile:///etc/passwd"),
    "a share": linked(b"\t\\\\evil\\a"),
    "a share with slashes": linked(b"//evil/a"),
    "the base of all links": written("/URI << /Base (java\tscript:) >>"),
    "a link in a form": written(
        "/AcroForm << /Fields [<< /FT /Btn /A << /S /URI /URI (\x02javascript:1) >> >>] >>"
    ),
}
OPENS_AN_ADDRESS = {
    "on open": written(f"/OpenAction {WEB}"),
    "on open, by a reference": written("/OpenAction 4 0 R", "", WEB),
    "after another action": written(
        f"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [<< /S /Named /Next {WEB} >>] >>"
    ),
    "with a page": written("", f"/AA << /O {WEB} >>"),
    "with an annotation": written("", f"/Annots [<< /Subtype /Widget /AA << /PV {WEB} >> >>]"),
    "in a field": written(f"/AcroForm << /Fields [<< /FT /Tx /AA << /Fo {WEB} >> >>] >>"),
    "before print": written(f"/AA << /WP {WEB} >>"),
}
OTHERS = {
    "a script that must be allowed": (
        written("/Requirements [<< /Type /Requirement /S /EnableJavaScripts >>]"), "javascript"
    ),
    "a rendition that no action plays": (
        written("/Names << /Renditions << /Names [(a) << /Type /Rendition /S /MR >>] >> >>"),
        "multimedia",
    ),
    "a model that no annotation shows": (
        written("", "", stream(b"", "/Type /3D /Subtype /U3D")), "multimedia"
    ),
}  # fmt: skip
FOUND = [
    (name, body, suspicion)
    for suspicion, bodies in (
        ("opens_files", OPENS_FILES), ("odd_link", ODD_LINKS), ("opens_address", OPENS_AN_ADDRESS)
    )
    for name, body in bodies.items()
] + [(name, *found) for name, found in OTHERS.items()]  # fmt: skip


@cases("name, body, suspicion", FOUND, ids=lambda value: str(value)[:40])
def test_t98_external_reference_is_found(name: str, body: bytes, suspicion: str) -> None:
    assert judge(body) == {"verdict": "suspect", "suspicions": [suspicion]}


@cases("body", CLEAN.values(), ids=CLEAN)
def test_reference_within_the_file_is_clean(body: bytes) -> None:
    assert judge(body) == {"verdict": "clean", "suspicions": []}


def test_t98_worker_names_what_it_found(visitor: Visitor) -> None:
    body = written(f"/OpenAction {WEB}", "", stream(b"x", FILE), "<< /URI (a\x01b:c) >>")
    assert verdict(inspected(visitor, body)) == ("suspect", "odd_link, opens_address, opens_files")
