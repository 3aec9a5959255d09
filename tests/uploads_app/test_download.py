"""A download returns the stored bytes as an attachment that a browser never runs."""

from urllib.parse import unquote

import pytest

from tests.helpers import Visitor, code, events, pdf, store_root, stored_keys, uploaded
from tests.uploads_app.samples import UPLOADS, form, part, post_form, sample
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus

BODY = pdf("download")


def url(upload: UploadedFile) -> str:
    """Return the download URL of a file."""
    return f"{UPLOADS}{upload.pk}/download/"


@pytest.mark.parametrize("size", [0, 1, 65_536, 5 * 1024 * 1024])
def test_download_returns_the_uploaded_bytes(visitor: Visitor, size: int) -> None:
    body = pdf(size=size)

    assert visitor.download(str(uploaded(visitor, body).pk)) == body


@pytest.mark.parametrize("extension", KNOWN_TYPES)
def test_t27_headers_prevent_running_the_file(
    visitor: Visitor, settings: object, extension: str
) -> None:
    settings.UPLOAD_TYPES = list(KNOWN_TYPES)  # type: ignore[attr-defined]
    body = sample(extension)
    upload = uploaded(visitor, body, f"a.{extension}")

    response = visitor.get(url(upload))

    response.getvalue()
    assert response.status_code == 200
    headers = dict(response.headers)
    assert headers.pop("X-Request-ID")
    assert headers.pop("RateLimit")
    assert headers == {
        "Content-Type": KNOWN_TYPES[extension],
        "Content-Length": str(len(body)),
        "Content-Disposition": f'attachment; filename="a.{extension}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "private, no-store",
        "Vary": "Cookie, Origin",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": settings.PERMISSIONS_POLICY,  # type: ignore[attr-defined]
        "Allow": "GET, HEAD",
        "RateLimit-Policy": '"session-60s";q=300;w=60',
    }


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("two words.pdf", 'attachment; filename="two words.pdf"'),
        ('say "hi".pdf', 'attachment; filename="say \\"hi\\".pdf"'),
        ("semi;colon.pdf", 'attachment; filename="semi;colon.pdf"'),
        ("100%.pdf", 'attachment; filename="100%.pdf"'),
        ("Müller.pdf", "attachment; filename*=utf-8''M%C3%BCller.pdf"),
        ("報告書.pdf", "attachment; filename*=utf-8''%E5%A0%B1%E5%91%8A%E6%9B%B8.pdf"),
        ("é\"'(1).pdf", "attachment; filename*=utf-8''%C3%A9%22%27%281%29.pdf"),
        ("\N{PILE OF POO}.pdf", "attachment; filename*=utf-8''%F0%9F%92%A9.pdf"),
    ],
)
def test_file_name_header_follows_rfc_6266(visitor: Visitor, name: str, disposition: str) -> None:
    response = post_form(visitor, form(part(BODY, name.encode())))
    assert response.status_code == 201

    download = visitor.get(f"{UPLOADS}{response.json()['id']}/download/")

    download.getvalue()
    assert download["Content-Disposition"] == disposition
    if "*=" in disposition:
        assert unquote(disposition.partition("''")[2]) == name


@pytest.mark.both
def test_head_returns_headers_without_bytes(visitor: Visitor) -> None:
    upload = uploaded(visitor, BODY)
    get, head = visitor.get(url(upload)), visitor.head(url(upload))
    for response in (get, head):
        response.getvalue()

    for name in set(get.headers) - {"X-Request-ID", "RateLimit"}:
        assert head[name] == get[name], name
    assert head["Content-Length"] == str(len(BODY))
    assert head.getvalue() == b""


def test_download_works_without_the_session_header(visitor: Visitor) -> None:
    """A link in the page sends the cookie but not the header."""
    assert visitor.download(str(uploaded(visitor, BODY).pk)) == BODY


@pytest.mark.parametrize("status", [UploadStatus.STORED, UploadStatus.MISSING])
def test_file_without_an_object_is_reported(visitor: Visitor, status: UploadStatus) -> None:
    upload = uploaded(visitor)
    (store_root() / upload.key).unlink()
    UploadedFile.objects.update(status=status)
    before = list(UploadedFile.objects.values()), list(UploadQuota.objects.values()), events()

    for _ in range(2):
        response = visitor.get(url(upload))
        assert (response.status_code, code(response)) == (404, "object_missing")
        assert response["Cache-Control"] == "no-store"

    after = list(UploadedFile.objects.values()), list(UploadQuota.objects.values()), events()
    assert after == before
    assert stored_keys() == set()


def test_storage_failure_is_reported(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    path = store_root() / upload.key
    path.unlink()
    path.mkdir()  # even root cannot open a directory as a file
    visitor.raise_request_exception = False

    response = visitor.get(url(upload))

    assert (response.status_code, code(response)) == (503, "storage_unavailable")
    assert int(response["Retry-After"]) > 0
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


def test_deleted_file_cannot_be_downloaded(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    visitor.delete_upload(str(upload.pk))

    response = visitor.get(url(upload))

    assert (response.status_code, code(response)) == (404, "not_found")
