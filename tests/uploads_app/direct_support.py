"""A browser that sends a file to the store directly, and a store that runs a callback meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from typing import IO, Any

import requests

from tests.helpers import Visitor, code
from uploads_app.models import UploadedFile
from uploads_app.storage.base import DirectUploadForm, object_store
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import INCOMING, incoming_key
from uploads_app.storage.s3_store import S3Store


def begin(
    visitor: Visitor, size: int, name: str = "report.pdf", key: str = "", **extra: Any
) -> Any:
    """POST uploads/direct/, with `key` as its Idempotency-Key."""
    headers = {**visitor.named.get("headers", {}), **({"Idempotency-Key": key} if key else {})}
    body = {"name": name, "size": size, "content_type": "application/pdf", **extra}
    return visitor.send("uploads/direct/", body, headers=headers)


def begun(visitor: Visitor, size: int, name: str = "report.pdf", key: str = "") -> dict[str, Any]:
    """Start a direct upload and return the answer: `id`, `upload`."""
    response = begin(visitor, size, name, key)
    assert response.status_code == 201, response.content
    form_data: dict[str, Any] = response.json()
    return form_data


def post(form_data: dict[str, Any], body: bytes, **changes: str) -> requests.Response:
    """Send bytes to the store by the form, as a browser does; fields can be changed."""
    form = form_data["upload"]
    fields = {name: value for name, value in (form["fields"] | changes).items() if value != ""}
    content = {"file": ("report.pdf", body)}
    return requests.post(form["url"], fields, files=content, timeout=20, allow_redirects=False)


def complete(visitor: Visitor, upload_id: str) -> Any:
    """POST uploads/{id}/complete/."""
    return visitor.send(f"uploads/{upload_id}/complete/", **visitor.named)


def arrived(visitor: Visitor, body: bytes, name: str = "report.pdf") -> UploadedFile:
    """Start a direct upload, send its bytes to the store, and return the pending row."""
    form_data = begun(visitor, len(body), name)
    assert post(form_data, body).status_code == 204
    return UploadedFile.objects.get(pk=form_data["id"])


def completed(visitor: Visitor, body: bytes, name: str = "report.pdf") -> UploadedFile:
    """Complete a direct upload and return its row."""
    upload = arrived(visitor, body, name)
    response = complete(visitor, str(upload.pk))
    assert response.status_code == 200, response.content
    upload.refresh_from_db()
    return upload


def twin(visitor: Visitor) -> Visitor:
    """Return another tab of the same browser."""
    tab = Visitor()
    tab.token, tab.uuid = visitor.token, visitor.uuid
    return tab


def refused(response: Any) -> tuple[int, str]:
    """Return the status and code of a refusal."""
    return response.status_code, code(response)


class DiskWithForms(DiskStore):
    """A disk store that offers forms, for tests of the API without an S3 store."""

    offers_forms = True

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        return DirectUploadForm(
            "http://127.0.0.1/store", {"key": key, "Content-Type": content_type}
        )


def offer_forms(settings: Any) -> None:
    """Make the test's disk store offer forms; `arrive` writes what a browser would send."""
    settings.DIRECT_UPLOADS = True
    _change_backend(settings, DiskWithForms)


def arrive(
    visitor: Visitor, body: bytes, size: int | None = None, name: str = "report.pdf"
) -> UploadedFile:
    """Start a direct upload to such a store, write its bytes there, and return its row."""
    form_data = begun(visitor, len(body) if size is None else size, name)
    upload = UploadedFile.objects.get(pk=form_data["id"])
    object_store().put(incoming_key(upload.key), [body])
    return upload


class Interrupted(S3Store):
    """A store that runs `meanwhile` right after an incoming object was opened."""

    meanwhile: Callable[[], object]

    def open(self, name: str, mode: str = "rb") -> IO[bytes]:
        content = super().open(name, mode)
        if name.startswith(f"{INCOMING}/"):
            type(self).meanwhile()
        return content


def interrupt(settings: Any, meanwhile: Callable[[], object]) -> None:
    """Run `meanwhile` once, between the inspection and the storing of an incoming object."""

    def once() -> None:
        Interrupted.meanwhile = staticmethod(lambda: None)
        meanwhile()

    Interrupted.meanwhile = staticmethod(once)
    _change_backend(settings, Interrupted)


def _change_backend(settings: Any, store: type) -> None:
    backend = f"{store.__module__}.{store.__name__}"
    uploads = {**settings.STORAGES["uploads"], "BACKEND": backend}
    settings.STORAGES = {**settings.STORAGES, "uploads": uploads}


def incoming(upload: UploadedFile) -> str:
    """Return the key of a file's incoming object."""
    return incoming_key(upload.key)
