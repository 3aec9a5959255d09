"""File names are untrusted data: displayed cleaned, never part of a key, refused if unreadable."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from audit_app.models import AuditLog
from sessions_app.uuid_helpers import UUID_PATTERN
from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, store_root, stored_keys
from tests.maria_project.server import ROOT
from tests.uploads_app.direct_support import begin, begun, offer_forms, refused
from tests.uploads_app.samples import form, part, post_form, raw_part
from uploads_app.exceptions import NameNotAllowed, TypeNotAllowed
from uploads_app.inspection.file_types import clean_name, named_type
from uploads_app.models import UploadedFile

KEY = re.compile(rf"uploads/{UUID_PATTERN}/{UUID_PATTERN}\.pdf")
LONG = "x" * 900

# The text between the quotes of `filename="…"`, and the name that the visitor sees.
TAKEN: list[tuple[str, str]] = [
    ("report.pdf", "report.pdf"),
    ("../report.pdf", "report.pdf"),
    ("../../../../etc/cron.d/job.pdf", "job.pdf"),
    ("..\\..\\windows\\win.pdf", "win.pdf"),
    ("..\\../mixed/..\\a.pdf", "a.pdf"),
    ("....//....//a.pdf", "a.pdf"),
    ("%2e%2e/a.pdf", "a.pdf"),
    ("%2e%2e%2fa.pdf", "%2e%2e%2fa.pdf"),
    ("..%5c..%5ca.pdf", "..%5c..%5ca.pdf"),
    ("..%c0%afa.pdf", "..%c0%afa.pdf"),
    ("%252e%252e%252fa.pdf", "%252e%252e%252fa.pdf"),
    ("&#46;&#46;&#47;a.pdf", "a.pdf"),
    ("&#46;&#46;&#92;a.pdf", "a.pdf"),
    ("&period;&period;&sol;a.pdf", "a.pdf"),
    ("C:\\temp\\a.pdf", "a.pdf"),
    ("C:a.pdf", "C:a.pdf"),
    ("\\\\host\\share\\a.pdf", "a.pdf"),
    ("/etc/passwd.pdf", "passwd.pdf"),
    ("//a.pdf", "a.pdf"),
    ("~/a.pdf", "a.pdf"),
    ("~root.pdf", "~root.pdf"),
    ("file:///etc/a.pdf", "a.pdf"),
    ("a.pdf:stream.pdf", "a.pdf:stream.pdf"),
    ("nul\x00.pdf", "nul.pdf"),
    ("a.php\x00.pdf", "a.php.pdf"),
    ("tab\t.pdf", "tab.pdf"),
    ("bell\x07escape\x1b[31m.pdf", "bellescape[31m.pdf"),
    ("next\x85line.pdf", "nextline.pdf"),
    ("line\u2028separator.pdf", "lineseparator.pdf"),
    ("right-to-left\u202efdp.exe.pdf", "right-to-leftfdp.exe.pdf"),
    ("zero\u200bwidth\ufeff.pdf", "zerowidth.pdf"),
    ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
    ("क्\u200dष.pdf", "क्\u200dष.pdf"),
    ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}.pdf", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}.pdf"),
    (
        "newer than Python 3.11 \U0001fae8\U0001fadf.pdf",
        "newer than Python 3.11 \U0001fae8\U0001fadf.pdf",
    ),
    ("آیه \u06dd.pdf", "آیه \u06dd.pdf"),
    ("private\ue000use.pdf", "private\ue000use.pdf"),
    ("hidden\U000e0041 tag.pdf", "hidden tag.pdf"),
    ("A&notes &copy.pdf", "A&notes &copy.pdf"),
    ("m&#252;ller.pdf", "müller.pdf"),
    ("Anlage 3.1; Vertrag.pdf", "Anlage 3.1; Vertrag.pdf"),
    ("Müller & Co.KG; Nr.7; Seite.pdf", "Müller & Co.KG; Nr.7; Seite.pdf"),
    ("a%22b%22.pdf", 'a"b".pdf'),
    ("a%0D%0Ab.pdf", "ab.pdf"),
    ("100%25%2200.pdf", '100%25"00.pdf'),
    ("mark.pdf\u200e", "mark.pdf"),
    ("decomposed-u\u0308.pdf", "decomposed-ü.pdf"),
    ("日本語の報告書.pdf", "日本語の報告書.pdf"),
    ("\N{BUG}\N{PILE OF POO}.pdf", "\N{BUG}\N{PILE OF POO}.pdf"),
    ("﷽" * 100 + ".pdf", "﷽" * 100 + ".pdf"),
    ("a\N{FULLWIDTH SOLIDUS}..\N{FULLWIDTH SOLIDUS}b.pdf", "a／..／b.pdf"),
    ("CON.pdf", "CON.pdf"),
    ("com1.pdf", "com1.pdf"),
    ("-rf.pdf", "-rf.pdf"),
    ("--help.pdf", "--help.pdf"),
    ("$(id).pdf", "$(id).pdf"),
    ("`id`.pdf", "`id`.pdf"),
    ("a;b.pdf", "a;b.pdf"),
    ("a|b&c.pdf", "a|b&c.pdf"),
    ('quo"te.pdf', 'quo"te.pdf'),
    ("it's.pdf", "it's.pdf"),
    ("<script>alert(1)<.pdf", "<script>alert(1)<.pdf"),
    ("=1+1.pdf", "=1+1.pdf"),
    ("{{7*7}}.pdf", "{{7*7}}.pdf"),
    ("%s%n%x.pdf", "%s%n%x.pdf"),
    ("'; DROP TABLE x;--.pdf", "'; DROP TABLE x;--.pdf"),
    (".hidden.pdf", ".hidden.pdf"),
    ("...pdf", "...pdf"),
    (" padded .pdf ", "padded .pdf"),
    ("a.tar.gz.pdf", "a.tar.gz.pdf"),
    ("marker.json.pdf", "marker.json.pdf"),
    (".x.part.pdf", ".x.part.pdf"),
    (LONG + ".pdf", "x" * 251 + ".pdf"),
]
# Readable names of types that are not allowed.
REFUSED = [".htaccess", "web.config", "CON", "a", "a.pdf/b", "a.pdf\\b", "a.p\u200ddf"]
REFUSED += ["a\r\nContent-Type: b.pdf"]
# Names that are not allowed, although their extension is.
BAD_NAMES = [".pdf", "\u200b.pdf", "\u2800\u3164.pdf", "\u200c\u200d.pdf", "a.php;.pdf"]
BAD_NAMES += ["a.asp;x.pdf", "b.ASPX;.pdf", "c.html;d.pdf", "d.php5;.pdf"]
# The page's own check of names is tested with the same file: frontend/tests/utils.
SHARED = json.loads((ROOT / "tests" / "data" / "file_names.json").read_text())


@pytest.mark.parametrize(("sent", "shown"), TAKEN, ids=range(len(TAKEN)))
def test_t24_name_is_not_part_of_the_key(
    visitor: Visitor, tmp_path: Path, sent: str, shown: str
) -> None:
    response = post_form(visitor, form(part(pdf(), sent.encode())))

    assert response.status_code == 201, response.content
    upload = UploadedFile.objects.get()
    assert (response.json()["name"], upload.name) == (shown, shown)
    assert KEY.fullmatch(upload.key)
    assert stored_keys() == {upload.key}
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and not p.is_relative_to(store_root())]
    assert outside == []
    assert {p.name for p in store_root().iterdir()} == {"uploads", "marker.json"}


@pytest.mark.parametrize("sent", REFUSED)
def test_t24_name_without_an_allowed_extension_is_refused(visitor: Visitor, sent: str) -> None:
    response = post_form(visitor, form(part(pdf(), sent.encode())))

    assert (response.status_code, code(response)) == (415, "type_not_allowed")
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]


@cases("sent", BAD_NAMES)
def test_t24_refused_name_is_called_a_name(visitor: Visitor, sent: str) -> None:
    response = post_form(visitor, form(part(pdf(), sent.encode())))

    assert (response.status_code, code(response)) == (400, "name_not_allowed")
    assert "Rename the file" in response.json()["detail"]
    assert not UploadedFile.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]
    event = AuditLog.objects.get(event_type="upload.rejected")
    assert event.details == {"code": "name_not_allowed", "repeated": 0}


@cases("name", SHARED["taken"] + SHARED["other_type"] + SHARED["bad_name"])
def test_page_and_server_agree_about_names(name: str) -> None:
    expected = {**dict.fromkeys(SHARED["other_type"], "type_not_allowed"),
                **dict.fromkeys(SHARED["bad_name"], "name_not_allowed")}  # fmt: skip
    try:
        answer = named_type(clean_name(name)).extension
    except (NameNotAllowed, TypeNotAllowed) as error:
        answer = error.default_code
    assert answer == expected.get(name, "pdf")


@cases("name", ["می\u200cخواهم.pdf", "\U0001fae8.pdf", "a%22b.pdf", "Anlage 3.1; Vertrag.pdf"])
def test_announced_name_is_kept_as_sent(visitor: Visitor, settings: Any, name: str) -> None:
    offer_forms(settings)
    assert begun(visitor, 9, name)
    assert UploadedFile.objects.get().name == name


def test_t24_announced_name_is_refused_as_a_name(visitor: Visitor, settings: Any) -> None:
    offer_forms(settings)
    response = begin(visitor, 9, "a.php;.pdf")
    assert refused(response) == (400, "name_not_allowed")
    assert not UploadedFile.objects.exists()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]


def test_t24_name_over_the_header_limit_is_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf(), b"x" * 5000 + b".pdf")))

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.parametrize("sent", ["/{}/escaped.pdf", "{}/escaped.pdf", "../../escaped.pdf"])
def test_t24_name_cannot_write_outside_the_store(
    visitor: Visitor, tmp_path: Path, sent: str
) -> None:
    response = post_form(visitor, form(part(pdf(), sent.format(tmp_path).encode())))

    assert response.status_code == 201
    assert response.json()["name"] == "escaped.pdf"
    assert not list(tmp_path.rglob("escaped*"))
    assert not (Path.cwd() / "escaped.pdf").exists()


@pytest.mark.parametrize("sent", [b"", b".", b"..", b"/", b"a/", b"a\\..", b"\x01\x02", b"&#46;"])
def test_t25_dropped_name_is_a_missing_file(visitor: Visitor, sent: bytes) -> None:
    response = post_form(visitor, form(part(pdf(), sent)))

    assert (response.status_code, code(response)) == (400, "file_missing")
    assert not UploadedFile.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.parametrize(
    "parameters",
    [
        b'filename="\xff\xfe.pdf"',
        b'filename="a\xc3.pdf"',
        b"filename*=bogus''a%FC.pdf",
        b"filename*=iso-8859-1'de'M%FCller.pdf",
        b"filename*=utf-8''",
        b"filename*=UTF-8''..",
        b"filename*=UTF-8''%2E%2E%2F",
        b"filename",
        b"filename=",
    ],
)
def test_t25_unreadable_name_is_a_missing_file(visitor: Visitor, parameters: bytes) -> None:
    headers = b'Content-Disposition: form-data; name="file"; ' + parameters

    response = post_form(visitor, form(raw_part(headers, pdf())))

    assert (response.status_code, code(response)) == (400, "file_missing")
    assert not UploadedFile.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        (b"filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf", "報告.pdf"),
        (b"filename*=UTF-8''..%2F..%2Fa.pdf", "a.pdf"),
        (b"filename*=UTF-8''a%00.pdf", "a.pdf"),
        (b"filename=plain.pdf", "plain.pdf"),
    ],
)
def test_t24_encoded_name_is_decoded_and_cleaned(
    visitor: Visitor, parameters: bytes, shown: str
) -> None:
    headers = b'Content-Disposition: form-data; name="file"; ' + parameters

    response = post_form(visitor, form(raw_part(headers, pdf())))

    assert response.status_code == 201, response.content
    assert response.json()["name"] == shown
    assert all(KEY.fullmatch(key) for key in stored_keys())


@pytest.mark.parametrize(
    ("length", "kept"), [(250, 250), (251, 251), (252, 251), (253, 251), (5000, 251)]
)
def test_long_name_keeps_its_extension(length: int, kept: int) -> None:
    assert clean_name("x" * length + ".pdf") == "x" * kept + ".pdf"


@pytest.mark.parametrize("name", ["." + LONG, LONG, LONG + "." + LONG, "a." + LONG])
def test_cleaned_name_fits_its_column(name: str) -> None:
    assert len(clean_name(name)) <= 255


@pytest.mark.parametrize(
    "dropped",
    ["\x00", "\n", "\x7f", "\x85", "\u200b", "\u2028", "\u202e", "\ud800", "\uffff", "\U000e0fff"],
)
def test_t101_name_is_cleaned_without_a_form_parser(dropped: str) -> None:
    """Django's parser drops these too, but names also arrive without it."""
    assert clean_name(f"a{dropped}b.pdf{dropped}") == "ab.pdf"
