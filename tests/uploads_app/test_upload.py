"""A complete upload is stored: answer, row, object, quota and event match."""

import hashlib
from typing import Any

import pytest
from django.utils import timezone

from audit_app.models import AuditLog
from tests.helpers import (
    Visitor,
    code,
    events,
    pdf,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.samples import UPLOADS, form, part, post_form, raw_part, sample
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus


def assert_nothing_stored(visitor: Visitor) -> None:
    """Check that a refused upload has left the session as it was."""
    assert not UploadedFile.objects.exists()
    assert not UploadQuota.objects.exclude(files=0, bytes=0).exists()
    assert stored_keys() == set()
    assert visitor.row.used_at is None
    assert "upload.stored" not in events(visitor.uuid)


@pytest.mark.parametrize("extension", KNOWN_TYPES)
def test_every_known_type_is_stored(visitor: Visitor, settings: Any, extension: str) -> None:
    settings.UPLOAD_TYPES = list(KNOWN_TYPES)
    body = sample(extension)

    response = visitor.upload(body, f"Bericht März.{extension.upper()}")

    answer = response.json()
    row = UploadedFile.objects.get()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert answer == {
        "id": str(row.pk),
        "name": f"Bericht März.{extension.upper()}",
        "size": len(body),
        "content_type": KNOWN_TYPES[extension],
        "sha256": hashlib.sha256(body).hexdigest(),
        "status": "stored",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert row.key == f"uploads/{visitor.uuid}/{row.pk}.{extension}"
    assert (row.status, row.size, row.sha256) == (UploadStatus.STORED, len(body), answer["sha256"])
    assert row.created_at <= row.stored_at <= timezone.now()  # type: ignore[operator]
    assert stored_keys() == {row.key}
    assert (store_root() / row.key).read_bytes() == body
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(body))
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


@pytest.mark.both
def test_event_has_the_name_in_its_personal_data(visitor: Visitor) -> None:
    upload = uploaded(visitor, name="Kündigung Müller.pdf")

    event = AuditLog.objects.get(event_type="upload.stored")
    assert (event.outcome, event.actor, event.target) == (
        "success",
        "visitor",
        f"upload:{upload.pk}",
    )
    assert event.details == {
        "size": upload.size,
        "sha256": upload.sha256,
        "content_type": "application/pdf",
    }
    assert event.personal.file_name == "Kündigung Müller.pdf"
    assert "Müller" not in event.text
    assert "M\\u00fcller" not in event.text


def test_first_file_marks_a_session_as_used_and_extends_it(visitor: Visitor) -> None:
    before = visitor.row
    uploaded(visitor)
    first = visitor.row
    uploaded(visitor)

    assert before.used_at is None
    assert first.used_at is not None
    assert first.expires_at > before.expires_at
    assert visitor.row.used_at == first.used_at


def test_session_reports_its_quota(visitor: Visitor, settings: Any) -> None:
    uploaded(visitor, pdf(size=2000))
    uploaded(visitor, pdf(size=3000))

    answer = visitor.current().json()

    assert answer["used"] == {"files": 2, "bytes": 5000}
    assert answer["limits"] == {
        "max_files": 3,
        "max_file_bytes": 5 * 1024 * 1024,
        "max_total_bytes": 15 * 1024 * 1024,
        "types": ["pdf"],
        "direct_upload": False,
    }


def test_empty_file_is_refused(visitor: Visitor) -> None:
    response = visitor.upload(b"")

    assert (response.status_code, code(response)) == (400, "file_empty")
    assert_nothing_stored(visitor)


@pytest.mark.parametrize(
    "body",
    [
        form(),
        form(part(b"some text", filename=None)),
        form(part(pdf(), field=b"files")),
        form(part(pdf(), field=b"File")),
        form(part(pdf(), field=b"")),
        form(raw_part(b"X-Nothing: here", pdf())),
        b"no form at all",
    ],
    ids=["no_part", "no_file_name", "files", "File", "no_field_name", "no_headers", "text"],
)
def test_form_without_a_file_is_refused(visitor: Visitor, body: bytes) -> None:
    response = post_form(visitor, body)

    assert (response.status_code, code(response)) == (400, "file_missing")
    assert_nothing_stored(visitor)


def test_declared_length_of_zero_is_a_missing_file(visitor: Visitor) -> None:
    response = post_form(visitor, b"", CONTENT_LENGTH="0")

    assert (response.status_code, code(response)) == (400, "file_missing")
    assert_nothing_stored(visitor)


def test_body_without_a_length_is_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf())), CONTENT_LENGTH="")

    assert (response.status_code, code(response)) == (411, "length_required")
    assert_nothing_stored(visitor)


def test_chunked_body_that_the_server_passes_on_is_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf())), HTTP_TRANSFER_ENCODING="chunked")

    assert (response.status_code, code(response)) == (411, "length_required")
    assert_nothing_stored(visitor)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=ü",
    ],
)
def test_malformed_form_is_refused(visitor: Visitor, content_type: str) -> None:
    response = visitor.generic("POST", UPLOADS, form(part(pdf())), content_type, **visitor.named)

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert_nothing_stored(visitor)


@pytest.mark.parametrize("content_type", ["application/json", "application/pdf", "text/plain", ""])
def test_other_content_types_are_refused(visitor: Visitor, content_type: str) -> None:
    response = visitor.generic("POST", UPLOADS, pdf(), content_type, **visitor.named)

    assert (response.status_code, code(response)) == (415, "unsupported_media_type")
    assert_nothing_stored(visitor)


def test_t30_two_files_are_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf("one")), part(pdf("two"))))

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert_nothing_stored(visitor)


def test_t30_two_files_of_two_names_are_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf("one")), part(pdf("two"), field=b"other")))

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert_nothing_stored(visitor)


@pytest.mark.parametrize(("fields", "status"), [(199, 201), (200, 201), (201, 400), (1000, 400)])
def test_t30_many_fields_are_refused(visitor: Visitor, fields: int, status: int) -> None:
    extra = (part(b"x", filename=None, field=b"f%d" % n) for n in range(fields))

    response = post_form(visitor, form(*extra, part(pdf())))

    assert response.status_code == status, response.content
    if status == 400:
        assert code(response) == "malformed_body"
        assert_nothing_stored(visitor)


@pytest.mark.parametrize(("size", "status"), [(64_000, 201), (64 * 1024 + 1, 413)])
def test_t30_large_fields_are_refused(visitor: Visitor, size: int, status: int) -> None:
    note = part(size * b"x", filename=None, field=b"note")

    response = post_form(visitor, form(note, part(pdf())))

    assert response.status_code == status, response.content
    if status == 413:
        assert code(response) == "body_too_large"
        assert_nothing_stored(visitor)


def test_t30_long_part_headers_are_refused(visitor: Visitor) -> None:
    response = post_form(visitor, form(part(pdf(), extra=b"\r\nX-Long: " + 2000 * b"x")))

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert_nothing_stored(visitor)
