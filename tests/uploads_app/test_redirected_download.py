"""A download redirect to the store: one file, for a minute, as an attachment with its own name."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
import time_machine
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from sessions_app.models import Scope
from tests.helpers import Service, Visitor, events, made_key, pdf, started, uploaded
from tests.ports import free_port
from tests.s3_server import Bucket
from tests.uploads_app.direct_support import refused

BODY = pdf("handed out by the store")
NAMES = {
    "report.pdf": 'attachment; filename="report.pdf"',
    "報告書.pdf": "attachment; filename*=utf-8''%E5%A0%B1%E5%91%8A%E6%9B%B8.pdf",
    'say "hi".pdf': 'attachment; filename="say \\"hi\\".pdf"',
}


@pytest.fixture(autouse=True)
def redirected(s3: Bucket, settings: Any) -> None:
    """Redirect downloads to the store."""
    settings.DOWNLOADS = "redirect"


def address(client: Any, upload_id: object) -> str:
    """Return the redirect target of a download."""
    response = client.get(f"/api/v1/uploads/{upload_id}/download/")
    assert response.status_code == 302, response.content
    assert response["Cache-Control"] == "private, no-store"
    return str(response["Location"])


def changed(url: str, **values: str) -> str:
    """Return a URL with changed query values."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | values)).geturl()


def status_of(url: str) -> int:
    """Return the status that the store answers for a URL."""
    return requests.get(url, timeout=20).status_code


def test_t27_store_sends_an_attachment(visitor: Visitor, s3: Bucket) -> None:
    for name, disposition in NAMES.items():
        upload = uploaded(visitor, BODY, name)

        answer = requests.get(address(visitor, upload.pk), timeout=20)

        assert (answer.status_code, answer.content) == (200, BODY)
        assert answer.headers["Content-Disposition"] == disposition
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Cache-Control"] == "private, no-store"
        visitor.delete_upload(str(upload.pk))


def test_t14_url_is_valid_for_one_file_and_one_minute(visitor: Visitor, s3: Bucket) -> None:
    mine, theirs = uploaded(visitor, BODY), uploaded(started(), pdf("theirs"))
    url = address(visitor, mine.pk)
    assert dict(parse_qsl(urlsplit(url).query))["X-Amz-Expires"] == "60"

    assert status_of(url.replace(mine.key, theirs.key)) == 403
    assert status_of(url.partition("?")[0]) == 403
    assert status_of(changed(url, **{"X-Amz-Expires": "3600"})) == 403
    assert status_of(changed(url, **{"response-content-type": "text/html"})) == 403
    assert status_of(changed(url, **{"response-content-disposition": "inline"})) == 403
    assert requests.delete(url, timeout=20).status_code == 403
    with time_machine.travel(timezone.now() - timedelta(seconds=61), tick=False):
        late = address(visitor, mine.pk)
    assert status_of(late) == 403
    assert status_of(url) == 200


def test_t15_no_other_client_gets_the_url(visitor: Visitor) -> None:
    upload = uploaded(visitor, BODY)
    path = f"/api/v1/uploads/{upload.pk}/download/"

    assert refused(started().get(path)) == (404, "not_found")
    assert refused(Client().get(path)) == (401, "session_required")
    visitor.end()
    assert refused(visitor.get(path)) in [(401, "session_invalid"), (401, "session_required")]


def test_signed_link_redirects_to_the_store(visitor: Visitor) -> None:
    url = visitor.link(str(uploaded(visitor, BODY).pk)).json()["url"]

    response = Client().get(url)

    assert response.status_code == 302
    assert requests.get(response["Location"], timeout=20).content == BODY


def test_download_by_a_service_is_recorded(visitor: Visitor) -> None:
    upload = uploaded(visitor, BODY)

    service = Service(made_key(Scope.UPLOADS))
    path = f"/api/v1/service/sessions/{visitor.uuid}/uploads/{upload.pk}/download/"
    before = events(visitor.uuid)
    assert service.head(path).status_code == 302
    assert events(visitor.uuid) == before

    response = service.file(visitor.uuid, upload.pk)

    assert response.status_code == 302
    assert requests.get(response["Location"], timeout=20).content == BODY
    assert events(visitor.uuid) == [*before, "upload.downloaded"]


def test_missing_object_is_reported_before_the_redirect(visitor: Visitor, s3: Bucket) -> None:
    upload = uploaded(visitor, BODY)
    s3.client.delete_object(Bucket=s3.name, Key=upload.key)

    path = f"/api/v1/uploads/{upload.pk}/download/"
    assert refused(visitor.get(path)) == (404, "object_missing")
    service = Service(made_key(Scope.UPLOADS))
    assert refused(service.file(visitor.uuid, upload.pk)) == (404, "object_missing")
    assert "upload.downloaded" not in events(visitor.uuid)


def test_t57_unavailable_store_is_reported(visitor: Visitor, s3: Bucket, settings: Any) -> None:
    upload = uploaded(visitor, BODY)
    settings.STORAGES = s3.storages(settings, endpoint_url=f"http://127.0.0.1:{free_port()}")
    visitor.raise_request_exception = False

    response = visitor.get(f"/api/v1/uploads/{upload.pk}/download/")

    assert refused(response) == (503, "storage_unavailable")


def test_redirect_uses_the_public_endpoint(visitor: Visitor, s3: Bucket, settings: Any) -> None:
    upload = uploaded(visitor, BODY)
    settings.STORAGES = s3.storages(settings, public_endpoint_url="https://files.example")

    assert address(visitor, upload.pk).startswith(f"https://files.example/{s3.name}/{upload.key}?")


def test_old_url_of_an_erased_file_is_404(visitor: Visitor) -> None:
    url = address(visitor, uploaded(visitor, BODY).pk)
    assert visitor.erase().status_code == 204
    call_command("cleanup_orphans")

    assert status_of(url) == 404
