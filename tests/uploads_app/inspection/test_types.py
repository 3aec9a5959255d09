"""A file's type follows from its bytes and its name; the type that the browser sends is ignored."""

import io
import struct
import zipfile
import zlib
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, stored_keys
from tests.uploads_app.direct_support import arrive, complete, offer_forms
from tests.uploads_app.samples import form, office, part, post_form, sample
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.inspection.signatures import guess_type
from uploads_app.models import UploadedFile, UploadQuota

# In two pieces, so that virus scanners do not report this source file.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
DOCX, XLSX = KNOWN_TYPES["docx"], KNOWN_TYPES["xlsx"]
EXE = b"MZ\x90\x00" + bytes(60) + b"PE\x00\x00" + bytes(200)
ELF = b"\x7fELF\x02\x01\x01" + bytes(200)
HTML = b"<!doctype html><script>alert(1)</script>"
WORD, EXCEL = "word/document.xml", "xl/workbook.xml"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def assert_refused(visitor: Visitor, response: Any, name: str) -> None:
    """Check that a file was refused for its type, recorded, and not kept."""
    assert (response.status_code, code(response)) == (415, "type_not_allowed")
    assert not UploadedFile.objects.exists()
    assert not UploadQuota.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]
    event = AuditLog.objects.get(event_type="upload.rejected")
    assert event.outcome == "denied"
    assert event.details == {"code": "type_not_allowed", "repeated": 0}
    assert event.personal.file_name == name
    assert f'"{name}"' not in event.text


@pytest.mark.parametrize(
    "content",
    [
        EICAR,
        EXE,
        ELF,
        HTML,
        SVG,
        sample("png"),
        sample("gif"),
        sample("docx"),
        b"hello",
        b"\x00",
        b"%PD",
    ],
    ids=["eicar", "exe", "elf", "html", "svg", "png", "gif", "docx", "text", "nul", "half_magic"],
)
def test_t26_other_bytes_with_a_pdf_name_are_refused(visitor: Visitor, content: bytes) -> None:
    claimed = part(content, b"innocent.pdf", extra=b"\r\nContent-Type: application/pdf")

    response = post_form(visitor, form(claimed))

    assert_refused(visitor, response, "innocent.pdf")


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf.php",
        "a.pdf.exe",
        "a.pdf.html",
        "a.pdf.svg",
        "a.pdf.",
        "a.pdf~",
        "a.pd",
        "a.pdff",
        "a",
        "pdf",
        ".htaccess",
        "a.рdf",  # a Cyrillic р
        "a.pdf\N{FULLWIDTH FULL STOP}exe",
        "a.png",
    ],
)
def test_t26_pdf_with_another_extension_is_refused(visitor: Visitor, name: str) -> None:
    claimed = part(pdf(), name.encode(), extra=b"\r\nContent-Type: application/pdf")

    response = post_form(visitor, form(claimed))

    assert_refused(visitor, response, name)


@pytest.mark.parametrize(
    "claimed", ["text/html", "image/svg+xml", "application/x-php", "", "x" * 300, "a/b; charset=ü"]
)
def test_t26_claimed_type_is_ignored(visitor: Visitor, claimed: str) -> None:
    header = b"\r\nContent-Type: " + claimed.encode()

    response = post_form(visitor, form(part(pdf(), extra=header)))

    assert response.status_code == 201
    assert response.json()["content_type"] == "application/pdf"
    assert UploadedFile.objects.get().content_type == "application/pdf"


@pytest.mark.parametrize("name", ["a.PDF", "a.Pdf", "a.b.c.pdf", "a.php.pdf", "a;b.pdf", "ä ö.pdf"])
def test_pdf_with_any_pdf_name_is_stored(visitor: Visitor, name: str) -> None:
    response = visitor.upload(name=name)

    assert response.status_code == 201
    assert response.json()["name"] == name
    assert UploadedFile.objects.get().key.endswith(".pdf")


@pytest.mark.parametrize("extension", sorted(set(KNOWN_TYPES) - {"pdf"}))
def test_known_type_that_is_not_allowed_is_refused(visitor: Visitor, extension: str) -> None:
    response = visitor.upload(sample(extension), f"a.{extension}")

    assert_refused(visitor, response, f"a.{extension}")
    assert response.json()["types"] == ["pdf"]
    assert "PDF" in response.json()["detail"]


def test_every_type_is_refused_with_the_extension_of_another(
    visitor: Visitor, settings: Any
) -> None:
    settings.UPLOAD_TYPES = list(KNOWN_TYPES)
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "upload": ["1000/m"]}
    for extension, content_type in KNOWN_TYPES.items():
        for other, other_type in KNOWN_TYPES.items():
            if other_type != content_type:
                response = visitor.upload(sample(extension), f"a.{other}")
                assert (response.status_code, code(response)) == (415, "type_not_allowed"), other
    assert stored_keys() == set()


@pytest.mark.parametrize(
    ("extension", "names"),
    [
        ("docx", ["_rels/.rels", "docProps/app.xml", "docProps/core.xml", "word/document.xml"]),
        ("docx", ["[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/styles.xml"]),
        ("docx", ["word/document.xml", "_rels/.rels", "[Content_Types].xml"]),
        ("xlsx", ["xl/worksheets/sheet1.xml", "_rels/.rels", "[Content_Types].xml"]),
        ("xlsx", ["docProps/app.xml", "docProps/core.xml", "xl/theme/theme1.xml"]),
    ],
)
def test_office_files_of_several_programs_are_recognised(
    visitor: Visitor, settings: Any, extension: str, names: list[str]
) -> None:
    settings.UPLOAD_TYPES = ["docx", "xlsx"]

    assert visitor.upload(_zip(*names), f"a.{extension}").status_code == 201


@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "word/document.xml"], ["mimetype"]])
def test_t26_other_zip_is_not_an_office_file(
    visitor: Visitor, settings: Any, names: list[str]
) -> None:
    settings.UPLOAD_TYPES = ["docx", "xlsx"]

    assert_refused(visitor, visitor.upload(_zip(*names), "a.docx"), "a.docx")


@cases(
    ("extension", "names"),
    [
        ("docx", ["[Content_Types].xml", "_rels/", "_rels/.rels", "docProps/", "word/", WORD]),
        ("docx", ["customXml/", "customXml/item1.xml", "[Content_Types].xml", "_rels/.rels", WORD]),
        ("docx", [*(f"customXml/item{n}.xml" for n in range(40)), "[Content_Types].xml", WORD]),
        ("docx", ["word/", WORD, "_rels/.rels", "[Content_Types].xml"]),
        ("docx", [*(f"_rels/{n}" for n in range(300)), "[Content_Types].xml", WORD]),
        ("xlsx", ["customXml/item1.xml", "docProps/app.xml", "[Content_Types].xml", EXCEL]),
        ("xlsx", ["[Content_Types].xml", "xl/", "xl/worksheets/", EXCEL]),
    ],
)
def test_office_files_that_were_zipped_again_are_taken(
    visitor: Visitor, settings: Any, extension: str, names: list[str]
) -> None:
    settings.UPLOAD_TYPES = ["docx", "xlsx"]
    body = _zip(*names)

    answer = visitor.upload(body, f"a.{extension}")

    assert answer.status_code == 201, answer.content
    assert answer.json()["content_type"] == KNOWN_TYPES[extension]
    assert visitor.download(answer.json()["id"]) == body
    other = {"docx": "xlsx", "xlsx": "docx"}[extension]
    assert visitor.upload(body, f"a.{other}").status_code == 415


@cases("settle", [True, False], ids=["arrived", "as_upload"])
def test_a_zipped_again_file_is_taken_on_both_ways(
    visitor: Visitor, settings: Any, settle: bool
) -> None:
    settings.UPLOAD_TYPES = ["docx"]
    body = _zip("customXml/item1.xml", "[Content_Types].xml", WORD)
    if settle:
        offer_forms(settings)
        upload = arrive(visitor, body, name="a.docx")
        assert complete(visitor, str(upload.pk)).status_code == 200
    else:
        assert visitor.upload(body, "a.docx").status_code == 201
    assert UploadedFile.objects.get().content_type == DOCX


def _damaged(change: str) -> bytes:
    """Return a Word file whose directory at the end is damaged."""
    body = _zip("[Content_Types].xml", WORD)
    end = body.rindex(b"PK\x05\x06")
    return {
        "cut": body[:-8],
        "no end": body[:end],
        "only the end": b"PK\x03\x04" + body[end:],
        "length beyond the file": body[: end + 12] + b"\xff\xff\xff\x7f" + body[end + 16 :],
        "offset beyond the file": body[: end + 16] + b"\xfe\xff\xff\xff" + body[end + 20 :],
        "64 bit without its record": body[: end + 16] + b"\xff\xff\xff\xff" + body[end + 20 :],
        "64 bit far away": body[:end] + b"PK\x06\x06" + b"\xff" * 72 + body[end : end + 12]
        + b"\xff" * 8 + body[end + 20 :],
    }[change]  # fmt: skip


@cases(
    ("change", "content_type"),
    [
        ("cut", None),
        ("no end", None),
        ("only the end", None),
        ("length beyond the file", DOCX),
        ("offset beyond the file", None),
        ("64 bit without its record", None),
        ("64 bit far away", None),
    ],
)
def test_t26_damaged_directory_is_no_reason_to_fail(change: str, content_type: str | None) -> None:
    assert guess_type(_damaged(change)) == content_type


def test_office_file_with_a_comment_or_a_64_bit_directory_is_recognised() -> None:
    body = _zip("[Content_Types].xml", WORD)
    end = body.rindex(b"PK\x05\x06")
    length, offset = struct.unpack_from("<II", body, end + 12)
    record = b"PK\x06\x06" + bytes(36) + struct.pack("<QQ", length, offset) + bytes(20)
    wide = body[:end] + record + body[end : end + 12] + b"\xff" * 8 + body[end + 20 :]
    assert guess_type(wide) == DOCX
    assert guess_type(body[:-2] + struct.pack("<H", 60_000) + b"c" * 60_000) == DOCX


def test_a_moving_png_is_a_png(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_TYPES = ["png"]
    still = sample("png")
    control = b"\x00\x00\x00\x08acTL" + bytes(3) + b"\x01" + bytes(4)
    moving = still[:33] + control + struct.pack(">I", zlib.crc32(control[4:])) + still[33:]

    answer = visitor.upload(moving, "moving.png")

    assert answer.status_code == 201, answer.content
    assert answer.json()["content_type"] == "image/png"
    assert visitor.download(answer.json()["id"]) == moving


def test_t26_spreadsheet_is_not_a_document(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_TYPES = ["docx", "xlsx"]

    assert_refused(visitor, visitor.upload(office("xl/workbook.xml"), "a.docx"), "a.docx")


PNG = b"\x89PNG\r\n\x1a\n"
PDF_TAIL = bytes(120) + b"DICM" + bytes(200)


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"", None),
        (b"%PDF-", "application/pdf"),
        (b"%PDF", None),
        (b"%PD", None),
        (b"%pdf-1.4", None),
        (b"\xef\xbb\xbf%PDF-1.4", "application/pdf"),
        (b"\n%PDF-1.4", "application/pdf"),
        (b" " * 1019 + b"%PDF-1.4", "application/pdf"),
        (b" " * 1020 + b"%PDF-1.4", None),
        (b"%PDF-1.4" + PDF_TAIL, None),
        (b"%PDF-1.4" + bytes(249) + b"ustar" + bytes(200), None),
        (b"\xff\xd8\xff\xe0" + PDF_TAIL, "image/jpeg"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\xff\xd8", None),
        (b"GIF87a", "image/gif"),
        (b"GIF", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WEBPVP", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WEBP", None),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"\x89PNG", "image/png"),
        (PNG, "image/png"),
        (PNG + b"\x00\x00\x00\x01IHDRxcrc!\x00\x00\x00\x00IDAT", "image/png"),
        (PNG + b"\x00\x00\x00\x01IHDRxcrc!\x00\x00\x00\x08acTL", "image/png"),
        (PNG + b"\x00\x00\x00\x00IDATcrc!\x00\x00\x00\x08acTL", "image/png"),
        (b"PK\x05\x06" + bytes(18), None),
    ],
)
def test_signatures_of_types(head: bytes, content_type: str | None) -> None:
    assert guess_type(head) == content_type


@pytest.mark.parametrize(
    ("names", "content_type"),
    [
        (["word/document.xml"], DOCX),
        (["xl/workbook.xml"], XLSX),
        (["ppt/presentation.xml"], None),
        (["[Content_Types].xml", "xl/workbook.xml", "word/document.xml"], DOCX),
        (["xl/workbook.xml", "word/document.xml"], XLSX),
        (["_rels/.rels", "a", "b", "c", "xl/workbook.xml"], XLSX),
        (["_rels/.rels", "a", "b", "c", "d", "xl/workbook.xml"], XLSX),
        (["word/", "word/document.xml"], DOCX),
        (["_rels/", "_rels/.rels", "word/document.xml"], DOCX),
        (["_rels/.rels", "ppt/presentation.xml"], None),
        (["customXml/item1.xml", "word/document.xml"], None),
    ],
)
def test_office_type_is_recognised_by_its_part_names(
    names: list[str], content_type: str | None
) -> None:
    assert guess_type(_zip(*names)) == content_type


def test_every_sample_is_recognised() -> None:
    assert {name: guess_type(sample(name)) for name in KNOWN_TYPES} == KNOWN_TYPES


@pytest.mark.both
def test_refusals_of_one_minute_are_counted_in_one_event(visitor: Visitor) -> None:
    for number in range(5):
        assert visitor.upload(EXE, f"a{number}.pdf").status_code == 415

    assert events(visitor.uuid) == ["session.created", "upload.rejected"]


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, f"<{name}/>")
    return out.getvalue()
