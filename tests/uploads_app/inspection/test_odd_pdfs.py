"""Sound PDFs of unusual form are accepted and judged; what needs a guess is malformed."""

from typing import Any

import pytest

from tests.cases import cases
from tests.helpers import Visitor, code, events, stored_keys
from tests.uploads_app.direct_support import arrive, complete, offer_forms
from tests.uploads_app.inspection.hostile_pdfs import written
from tests.uploads_app.inspection.odd_pdfs import (
    BOMBS,
    ODD_TABLES,
    PLAIN,
    SCRIPT,
    WITH_A_TAIL,
    hybrid,
    inserted,
    moved,
    updated,
    with_entry,
)
from tests.uploads_app.inspection_support import inspected, verdict
from uploads_app.inspection.pdf import judge
from uploads_app.models import UploadedFile
from uploads_app.tasks import inspect_uploads

CLEAN = {"verdict": "clean", "suspicions": []}
MALFORMED = {"verdict": "unreadable", "suspicions": ["malformed"]}
UNUSED = b"0000000000 00000 n \n"
PLAIN_CATALOG = "<< /Type /Catalog /Pages 2 0 R >>"
HOSTILE = written(f"/OpenAction {SCRIPT}")


@cases("body", WITH_A_TAIL.values(), ids=WITH_A_TAIL)
def test_t28_bytes_after_the_end_of_a_stream_are_not_decompressed(body: bytes) -> None:
    assert judge(body) == CLEAN


@cases("make", BOMBS.values(), ids=BOMBS)
def test_t28_every_filter_that_expands_is_counted(make: Any) -> None:
    assert judge(make()) == {"verdict": "unreadable", "suspicions": ["too_expensive"]}


@cases("body", ODD_TABLES.values(), ids=ODD_TABLES)
def test_table_of_an_unusual_form_is_sound(body: bytes) -> None:
    assert judge(body) == CLEAN


GUESSES = {
    "an object in use at 0": with_entry(UNUSED, written("", "/Contents 4 0 R")),
    "the catalog's object at 0": with_entry(UNUSED, written("/Extensions 4 0 R")),
    "an object in use at 0 by the trailer": with_entry(UNUSED, written(trailer="/Info 4 0 R")),
    "an object in use elsewhere": PLAIN.replace(b"0000000009", b"0000000010", 1),
    "a table a few bytes away": PLAIN.replace(b"startxref\n", b"startxref\n1"),
    "an older table that is not there": updated(PLAIN, {4: "<< >>"}).replace(b"/Prev 1", b"/Prev 9"),
    "a hidden table that is not one": hybrid("<< >>").replace(b"/Type /XRef", b"/Type /XXXX"),
    "an object that only a search finds": inserted(
        written("/OpenAction 9 0 R"), b"9 0 obj\n<< >>\nendobj\n"
    ),
    "an object at another place": with_entry(
        b"0000000011 00000 n \n", inserted(PLAIN, b"4 0 obj\n<< >>\nendobj\n")
    ),
}  # fmt: skip


@cases("body", GUESSES.values(), ids=GUESSES)
def test_file_that_needs_a_guess_is_malformed(body: bytes) -> None:
    assert judge(body) == MALFORMED


HIDDEN = {
    "by an older table": updated(HOSTILE, {4: "<< >>"}, gap=b"\n \n"),
    "by a newer table": updated(
        PLAIN, {1: f"<< /Type /Catalog /Pages 2 0 R /OpenAction {SCRIPT} >>"}, gap=b"\n \n"
    ),
    "in a hybrid file": hybrid(SCRIPT),
    "in a hybrid file whose table frees it": hybrid(SCRIPT, free=b"0000000000 00000 f \n"),
    "beside an unused entry": with_entry(UNUSED, HOSTILE),
    "in an object that no table lists": inserted(PLAIN, f"7 0 obj\n{SCRIPT}\nendobj\n".encode()),
    "in an object that an update replaced": updated(HOSTILE, {1: PLAIN_CATALOG}),
    "in the trailer": written(trailer=f"/Extra [{SCRIPT}]"),
}


@cases("body", HIDDEN.values(), ids=HIDDEN)
def test_t40_script_in_a_file_of_an_unusual_form_is_found(body: bytes) -> None:
    assert judge(body)["suspicions"] == ["javascript"]


BEFORE_THE_HEADER = {
    "a line end": b"\n",
    "a byte order mark": b"\xef\xbb\xbf",
    "zeros": bytes(128),
    "a job for a printer": b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF\r\n",
    "an answer's headers": b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n",
    "as much as is allowed": b" " * (1024 - len(b"%PDF-")),
}


@cases("prefix", BEFORE_THE_HEADER.values(), ids=BEFORE_THE_HEADER)
@cases("place", [bytes.__add__, moved], ids=["from the header", "from the first byte"])
def test_pdf_is_judged_from_its_header_on(prefix: bytes, place: Any) -> None:
    assert judge(place(prefix, PLAIN)) == CLEAN
    assert judge(place(prefix, HOSTILE))["suspicions"] == ["javascript"]


def test_t40_each_way_to_count_offsets_is_inspected() -> None:
    """A file that is sound from its header and from its first byte is two documents."""
    evil = HOSTILE
    for body in (moved(evil, evil), moved(b" " * 40, evil)):
        assert "javascript" in judge(body)["suspicions"]


def test_pdf_with_bytes_before_its_header_is_stored_and_clean(visitor: Visitor) -> None:
    upload = inspected(visitor, b"\n" + PLAIN)

    assert verdict(upload) == ("clean", "")
    assert upload.content_type == "application/pdf"
    assert visitor.download(str(upload.pk)) == b"\n" + PLAIN
    assert events(visitor.uuid)[:3] == ["session.created", "upload.stored", "upload.inspected"]


def test_direct_upload_with_bytes_before_its_header_is_stored_and_clean(
    visitor: Visitor, settings: Any
) -> None:
    offer_forms(settings)
    upload = arrive(visitor, b"\r\n" + PLAIN)

    assert complete(visitor, str(upload.pk)).status_code == 200
    assert inspect_uploads() == 1
    upload.refresh_from_db()
    assert verdict(upload) == ("clean", "")


@pytest.mark.parametrize(
    "body",
    [
        b" " * 1020 + PLAIN,
        b"MZ" + bytes(60) + PLAIN,
        b"\x7fELF" + PLAIN,
        b"#!/bin/sh\n" + PLAIN,
        b"PK\x03\x04" + PLAIN,
        b"\x89PNG\r\n\x1a\n" + PLAIN,
        b"\xff\xd8\xff" + PLAIN,
    ],
    ids=["late", "program", "ELF", "shell", "ZIP", "PNG", "JPEG"],
)
def test_t26_header_of_a_pdf_in_another_file_is_refused(visitor: Visitor, body: bytes) -> None:
    answer = visitor.upload(body, "a.pdf")
    assert (answer.status_code, code(answer)) == (415, "type_not_allowed")
    assert not UploadedFile.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]


ODD = [WITH_A_TAIL["a line end"], ODD_TABLES["an unused entry in use at 0"]]


@pytest.mark.parametrize("body", ODD, ids=["tail", "entry"])
def test_worker_finds_sound_files_clean(visitor: Visitor, body: bytes) -> None:
    assert verdict(inspected(visitor, body)) == ("clean", "")
