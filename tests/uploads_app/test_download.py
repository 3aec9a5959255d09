"""A download hands out the stored bytes to be kept, never as a page to be run."""

from urllib.parse import unquote

import pytest

from tests.helpers import Visitor, code, events, pdf, store_root, stored_keys, uploaded
from tests.uploads_app.samples import UPLOADS, form, part, post_form, sample
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus

BODY = pdf("download")


def url(upload: UploadedFile) -> str:
    """The address of a file's bytes."""
    return f"{UPLOADS}{upload.pk}/download/"


@pytest.mark.parametrize("size", [0, 1, 65_536, 5 * 1024 * 1024])
def test_the_bytes_are_those_that_were_sent(visitor: Visitor, size: int) -> None:
    body = pdf(size=size)

    assert visitor.download(str(uploaded(visitor, body).pk)) == body


@pytest.mark.parametrize("extension", KNOWN_TYPES)
def test_t27_every_header_keeps_the_file_from_being_run(
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
def test_the_name_is_reported_as_rfc_6266_wants(
    visitor: Visitor, name: str, disposition: str
) -> None:
    response = post_form(visitor, form(part(BODY, name.encode())))
    assert response.status_code == 201

    download = visitor.get(f"{UPLOADS}{response.json()['id']}/download/")

    download.getvalue()
    assert download["Content-Disposition"] == disposition
    if "*=" in disposition:
        assert unquote(disposition.partition("''")[2]) == name


@pytest.mark.both
def test_head_reports_the_headers_and_no_bytes(visitor: Visitor) -> None:
    upload = uploaded(visitor, BODY)
    get, head = visitor.get(url(upload)), visitor.head(url(upload))
    for response in (get, head):
        response.getvalue()

    for name in set(get.headers) - {"X-Request-ID", "RateLimit"}:
        assert head[name] == get[name], name
    assert head["Content-Length"] == str(len(BODY))
    assert head.getvalue() == b""


def test_a_file_can_be_read_without_naming_the_session(visitor: Visitor) -> None:
    """A link in the page sends the cookie, but no header."""
    assert visitor.download(str(uploaded(visitor, BODY).pk)) == BODY


@pytest.mark.parametrize("status", [UploadStatus.STORED, UploadStatus.MISSING])
def test_a_file_whose_object_is_removed_says_so(visitor: Visitor, status: UploadStatus) -> None:
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


def test_a_store_that_does_not_answer_says_so(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    path = store_root() / upload.key
    path.unlink()
    path.mkdir()  # a directory opens for nobody, not even for root
    visitor.raise_request_exception = False

    response = visitor.get(url(upload))

    assert (response.status_code, code(response)) == (503, "storage_unavailable")
    assert int(response["Retry-After"]) > 0
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


def test_a_deleted_file_cannot_be_read(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    visitor.delete_upload(str(upload.pk))

    response = visitor.get(url(upload))

    assert (response.status_code, code(response)) == (404, "not_found")
