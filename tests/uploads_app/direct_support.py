"""A browser that sends a file to the store itself, and a store in which something happens meanwhile."""

from collections.abc import Callable
from typing import IO, Any

import requests

from tests.helpers import Visitor, code
from uploads_app.models import UploadedFile
from uploads_app.s3_store import S3Store
from uploads_app.storage import INCOMING, incoming_key


def begin(
    visitor: Visitor, size: int, name: str = "report.pdf", key: str = "", **extra: Any
) -> Any:
    """POST uploads/direct/, with `key` as its Idempotency-Key."""
    headers = {**visitor.named.get("headers", {}), **({"Idempotency-Key": key} if key else {})}
    body = {"name": name, "size": size, "content_type": "application/pdf", **extra}
    return visitor.send("uploads/direct/", body, headers=headers)


def begun(visitor: Visitor, size: int, name: str = "report.pdf", key: str = "") -> dict[str, Any]:
    """Begin a direct upload and return what was told: `id`, `upload`."""
    response = begin(visitor, size, name, key)
    assert response.status_code == 201, response.content
    told: dict[str, Any] = response.json()
    return told


def post(told: dict[str, Any], body: bytes, **changes: str) -> requests.Response:
    """Send bytes to the store by the form that was told, as a browser does, or with changed fields."""
    form = told["upload"]
    fields = {name: value for name, value in (form["fields"] | changes).items() if value != ""}
    return requests.post(form["url"], fields, files={"file": ("report.pdf", body)}, timeout=20)


def complete(visitor: Visitor, upload_id: str) -> Any:
    """POST uploads/{id}/complete/."""
    return visitor.send(f"uploads/{upload_id}/complete/", **visitor.named)


def arrived(visitor: Visitor, body: bytes, name: str = "report.pdf") -> UploadedFile:
    """Begin a direct upload, send its bytes to the store, and return its row, which is pending."""
    told = begun(visitor, len(body), name)
    assert post(told, body).status_code == 204
    return UploadedFile.objects.get(pk=told["id"])


def completed(visitor: Visitor, body: bytes, name: str = "report.pdf") -> UploadedFile:
    """Send a whole file directly and return its row."""
    upload = arrived(visitor, body, name)
    response = complete(visitor, str(upload.pk))
    assert response.status_code == 200, response.content
    upload.refresh_from_db()
    return upload


def refused(response: Any) -> tuple[int, str]:
    """Return the status and code of a refusal."""
    return response.status_code, code(response)


class Interrupted(S3Store):
    """The store, in which `meanwhile` happens as soon as what arrived was fetched."""

    meanwhile: Callable[[], object]

    def open(self, name: str, mode: str = "rb") -> IO[bytes]:
        content = super().open(name, mode)
        if name.startswith(f"{INCOMING}/"):
            type(self).meanwhile()
        return content


def interrupt(settings: Any, meanwhile: Callable[[], object]) -> None:
    """Let something happen, once, between the look at what arrived and the storing of it."""

    def once() -> None:
        Interrupted.meanwhile = staticmethod(lambda: None)
        meanwhile()

    Interrupted.meanwhile = staticmethod(once)
    backend = f"{Interrupted.__module__}.{Interrupted.__name__}"
    uploads = {**settings.STORAGES["uploads"], "BACKEND": backend}
    settings.STORAGES = {**settings.STORAGES, "uploads": uploads}


def incoming(upload: UploadedFile) -> str:
    """Return the key under which a file's bytes arrive."""
    return incoming_key(upload.key)
