"""Exports by staff: the visitor's JSON, or a ZIP that survives hostile names, missing files and any size."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of
from tests.backoffice_app.people import export, unzipped
from tests.helpers import Visitor, events, pdf, started, store_root, uploaded
from tests.sessions_app.people import ANNA, exported, identify
from uploads_app.models import UploadedFile
from uploads_app.services.inspection import quarantine_upload


def rename(upload: UploadedFile, name: str) -> None:
    """Set a name that uploads no longer accept but old rows may have."""
    UploadedFile.objects.filter(pk=upload.pk).update(name=name)


@pytest.mark.both
def test_the_json_equals_the_visitors_own_export(visitor: Visitor, support: Client) -> None:
    identify(visitor, **ANNA)
    uploaded(visitor)
    _, own = exported(visitor)

    response = export(support, visitor.row, "json")

    assert response["Content-Type"] == "application/json"
    code = visitor.row.support_code
    assert response["Content-Disposition"] == f'attachment; filename="maria-{code}.json"'
    assert "no-store" in response["Cache-Control"]
    given = json.loads(b"".join(response.streaming_content))
    assert [event["event"] for event in given["events"][:1]] == ["session.exported"]
    assert given["events"][1:] == own["events"]
    own["session"].pop("last_seen_at"), given["session"].pop("last_seen_at")
    assert given | {"events": []} == own | {"events": []}


@pytest.mark.parametrize("file_format", ["json", "zip"])
def test_an_export_is_one_event_with_reason_and_format(
    visitor: Visitor, support: Any, file_format: str
) -> None:
    before = events(visitor.uuid)
    export(support, visitor.row, file_format)  # not one piece is read
    assert events(visitor.uuid) == [*before, "session.exported"]
    log = AuditLog.objects.get(event_type="session.exported")
    assert log.actor == f"staff:{support.user.pk}"
    assert log.details == {"reason": "asked by letter", "format": file_format}
    assert log.request_id


def test_the_zip_contains_document_files_and_index(visitor: Visitor, support: Client) -> None:
    one = uploaded(visitor, pdf("one"), "report.pdf")
    uploaded(visitor, pdf("two"), "report.pdf")
    deleted = uploaded(visitor, pdf("gone"), "gone.pdf")
    visitor.delete_upload(str(deleted.pk))

    members = unzipped(export(support, visitor.row))

    code = visitor.row.support_code
    assert list(members) == [
        f"{code}/session.json",
        f"{code}/files/001-report.pdf",
        f"{code}/files/002-report.pdf",
        "index.txt",
    ]
    assert members[f"{code}/files/001-report.pdf"] == pdf("one")
    assert members[f"{code}/files/002-report.pdf"] == pdf("two")
    document = json.loads(members[f"{code}/session.json"])
    assert document["session"]["uuid"] == visitor.uuid
    assert (
        f"001-report.pdf: {one.size} bytes, SHA-256 {one.sha256}" in members["index.txt"].decode()
    )


def test_the_index_lists_missing_files_with_the_reason(
    visitor: Visitor, support: Client, settings: Any
) -> None:
    settings.UPLOAD_MAX_FILES = 5
    fine, missing, trashed, changed, waiting = (
        uploaded(visitor, pdf(name), f"{name}.pdf")
        for name in ("fine", "missing", "aside", "changed", "waiting")
    )
    (store_root() / missing.key).unlink()
    quarantine_upload(upload=trashed, reason="looks odd")
    (store_root() / changed.key).chmod(0o600)
    (store_root() / changed.key).write_bytes(b"%PDF-1.4 something else")
    settings.HOLD_DOWNLOADS = "until_inspected"
    for upload in (fine, changed):
        UploadedFile.objects.filter(pk=upload.pk).update(inspection="clean")
    UploadedFile.objects.filter(pk=missing.pk).update(inspection="clean")

    members = unzipped(export(support, visitor.row))

    files = [Path(name).name for name in members if "/files/" in name]
    assert files == ["001-fine.pdf"]
    index = members["index.txt"].decode()
    for name, reason in [
        ("002-missing.pdf", "content of this file cannot be found"),
        ("003-aside.pdf", "blocked for safety"),
        ("004-changed.pdf", "does not match the stored SHA-256"),
        ("005-waiting.pdf", "is being inspected"),
    ]:
        (line,) = (line for line in index.splitlines() if name in line)
        assert line.startswith("  MISSING: ")
        assert reason in line
    assert str(waiting.pk) in index


def test_a_store_that_fails_does_not_break_the_zip(visitor: Visitor, support: Client) -> None:
    for upload in (uploaded(visitor, pdf("one")), uploaded(visitor, pdf("two"))):
        path = store_root() / upload.key
        path.unlink()
        path.mkdir()  # opening it fails, and not because it is absent
    members = unzipped(export(support, visitor.row))
    assert [name for name in members if "/files/" in name] == []
    assert members["index.txt"].decode().count("Files are not available at the moment") == 2


EVIL = [
    "../../etc/cron.d/evil.pdf",
    "..\\..\\windows\\evil.pdf",
    "/etc/passwd.pdf",
    "C:\\evil.pdf",
    "\\\\host\\share\\evil.pdf",
    "CON.pdf",
    "aux",
    ".",
    "..",
    "...",
    "",
    ".htaccess",
    "a\x00b.pdf",
    "a\r\nb.pdf",
    "\u202efdp.exe",
    "e\u0301\U0001f980.pdf",
    "<script>.pdf",
    "%2e%2e%2fevil.pdf",
    "x" * 255,
    "x." + "y" * 253,
    "trailing. . .",
    "~root",
    "a:b|c?d*e\"f'g.pdf",
    "-rf.pdf",
]


def test_t24_no_name_leaves_the_target_folder(
    visitor: Visitor, support: Client, settings: Any, tmp_path: Path
) -> None:
    settings.UPLOAD_MAX_FILES = len(EVIL)
    settings.UPLOAD_MAX_TOTAL_BYTES = 10**8
    for number, name in enumerate(EVIL):
        cache.clear()  # a session may send only so many files a minute
        rename(uploaded(visitor, pdf(str(number))), name)

    content = b"".join(export(support, visitor.row).streaming_content)

    target = tmp_path / "a" / "b" / "c"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        archive.extractall(target)
    assert len({name.casefold() for name in names}) == len(EVIL) + 2
    files = [name for name in names if "/files/" in name]
    for name in files:
        folder, middle, last = name.split("/")
        assert (folder, middle) == (visitor.row.support_code, "files")
        assert last[:4].strip("0123456789") == "-"
        assert len(last.encode()) < 255
        assert last.rstrip(". ") == last
        assert not set(last) & set("\\:*?\"'<>|\0\r\n\u202e~%$&;`")
    unpacked = {path for path in tmp_path.rglob("*") if path.is_file()} - set(
        store_root().rglob("*")
    )
    assert {path.relative_to(target).as_posix() for path in unpacked} == set(names)


def test_the_archive_is_streamed(visitor: Visitor, support: Client, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = settings.UPLOAD_MAX_TOTAL_BYTES = 8 * 2**20
    uploaded(visitor, pdf() + os.urandom(6 * 2**20))
    pieces = [len(piece) for piece in export(support, visitor.row).streaming_content]
    assert sum(pieces) > 6 * 2**20
    assert max(pieces) < 2**20


def test_t14_the_archive_contains_nothing_of_another_session(
    visitor: Visitor, support: Client
) -> None:
    other = started()
    identify(other, name="Berta Belle", email="berta@example.org")
    theirs = uploaded(other, pdf("theirs"), "theirs.pdf")
    uploaded(visitor)

    text = b"\n".join(unzipped(export(support, visitor.row)).values())

    for marker in (b"Berta", b"theirs", str(theirs.pk).encode(), other.uuid.encode()):
        assert marker not in text


def test_the_export_does_not_name_staff(visitor: Visitor, support: Any) -> None:
    members = unzipped(export(support, visitor.row))
    text = b"\n".join(members.values()).decode()
    assert "support staff" in text
    assert f"staff:{support.user.pk}" not in text
    assert support.user.username not in text


def test_an_erased_session_is_not_exported(visitor: Visitor, support: Client) -> None:
    visitor.erase()
    page = support.post(
        page_of(visitor.row, "export"), {"file_format": "zip", "reason": "x"}, follow=True
    )
    assert "There is nothing to export." in page.content.decode()
    assert "session.exported" not in events()


@pytest.mark.parametrize("changed", [{"reason": ""}, {"reason": "x" * 201}, {"file_format": "exe"}])
def test_without_a_reason_or_format_the_form_is_shown_again(
    visitor: Visitor, support: Client, changed: dict[str, str]
) -> None:
    page = export(support, visitor.row, **{"reason": "x", **changed})
    assert (page.status_code, page.streaming) == (200, False)
    assert "session.exported" not in events()
