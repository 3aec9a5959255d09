"""Test helpers: API clients of visitors and services, PDFs, and readers of the audit log."""

import io
import json
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.db.models import F
from django.test import Client
from pypdf import PdfWriter

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile

SOAK = bool(os.environ.get("SOAK"))


def pdf(text: str = "hello", size: int = 0) -> bytes:
    """Return a real one-page PDF; `text` makes it differ, `size` pads it to that many bytes."""
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": text})
    out = io.BytesIO()
    writer.write(out)
    body = out.getvalue()
    return body + b"\n" * max(0, size - len(body))


class Visitor(Client):
    """A browser client: a cookie jar, and the session UUID that the page keeps in localStorage."""

    uuid = ""
    carrier = "cookie"

    def start(self, **extra: Any) -> Any:
        """POST sessions/ and remember the UUID."""
        response = self.send("sessions/", **extra)
        self.uuid = response.json().get("uuid", self.uuid)
        return response

    @property
    def named(self) -> dict[str, Any]:
        """The X-Session-UUID header that changes need, as keyword arguments."""
        return {"headers": {"X-Session-UUID": self.uuid}}

    def send(
        self, path: str, body: dict[str, Any] | None = None, method: str = "POST", **extra: Any
    ) -> Any:
        """Send JSON to a path below /api/v1/; pass `**visitor.named` for changes."""
        text = json.dumps(body or {})
        return self.generic(method, f"/api/v1/{path}", text, "application/json", **extra)

    def upload(self, body: bytes | None = None, name: str = "report.pdf", **extra: Any) -> Any:
        """POST uploads/ with one file."""
        content = SimpleUploadedFile(name, pdf() if body is None else body)
        return self.post("/api/v1/uploads/", {"file": content}, **{**self.named, **extra})

    def download(self, upload_id: str) -> bytes:
        """GET uploads/{id}/download/ and return its bytes."""
        response = self.get(f"/api/v1/uploads/{upload_id}/download/")
        assert response.status_code == 200, response.content
        return b"".join(response.streaming_content)  # type: ignore[attr-defined]

    def delete_upload(self, upload_id: str) -> Any:
        """DELETE uploads/{id}/."""
        return self.delete(f"/api/v1/uploads/{upload_id}/", **self.named)

    def link(self, upload_id: str) -> Any:
        """POST uploads/{id}/link/."""
        return self.send(f"uploads/{upload_id}/link/", **self.named)

    def current(self, **extra: Any) -> Any:
        """GET sessions/current/."""
        return self.get("/api/v1/sessions/current/", **extra)

    def identify(self, **body: Any) -> Any:
        """PATCH sessions/current/ with `name`, `email` or `consent`."""
        return self.send("sessions/current/", body, "PATCH", **self.named)

    def ask_for_code(self) -> Any:
        """POST sessions/current/email/."""
        return self.send("sessions/current/email/", **self.named)

    def verify(self, code: str) -> Any:
        """POST sessions/current/email/verify/."""
        return self.send("sessions/current/email/verify/", {"code": code}, **self.named)

    def recover(self, code: str, **extra: Any) -> Any:
        """POST sessions/recover/; on success this is the session's client."""
        body = {"code": code, "credential": self.carrier}
        response = self.send("sessions/recover/", body, **extra)
        self.uuid = response.json().get("uuid", self.uuid)
        return response

    def reset(self, key: str | None = None, **body: Any) -> Any:
        """POST sessions/current/reset/; on success remember the successor's UUID."""
        headers = {**self.named.get("headers", {}), **({"Idempotency-Key": key} if key else {})}
        response = self.send("sessions/current/reset/", body, headers=headers)
        self.uuid = response.json().get("uuid", self.uuid)
        return response

    def end(self) -> Any:
        """DELETE sessions/current/."""
        return self.delete("/api/v1/sessions/current/", **self.named)

    def erase(self) -> Any:
        """DELETE sessions/current/?erase=true."""
        return self.delete("/api/v1/sessions/current/?erase=true", **self.named)

    def assertion(self) -> str:
        """POST sessions/current/assertion/ and return the signed text."""
        response = self.send("sessions/current/assertion/", **self.named)
        assert response.status_code == 200, response.content
        text: str = response.json()["assertion"]
        return text

    @property
    def row(self) -> UserSession:
        """The row of this visitor's session."""
        return UserSession.objects.get(pk=self.uuid)

    @property
    def token(self) -> str:
        """The token in the cookie jar."""
        return self.cookies["maria_session"].value

    @token.setter
    def token(self, token: str) -> None:
        self.cookies["maria_session"] = token


class BearerVisitor(Visitor):
    """A client without cookies: keeps the token from answers and sends it in Authorization.

    It need not name its session, so `named` is empty.
    """

    carrier = "bearer"
    token = ""

    def start(self, **extra: Any) -> Any:
        """POST sessions/, request the token in the body, and remember the UUID."""
        response = self.send("sessions/", {"credential": "bearer"}, **extra)
        self.uuid = response.json().get("uuid", self.uuid)
        return response

    @property
    def named(self) -> dict[str, Any]:
        """Empty: no page of another origin can send Authorization."""
        return {}

    def request(self, **request: Any) -> Any:
        """Send the token unless the request has an Authorization header; keep a new token."""
        if self.token:
            request.setdefault("HTTP_AUTHORIZATION", f"Bearer {self.token}")
        response = super().request(**request)
        if response.headers.get("Content-Type") == "application/json" and not response.streaming:
            self.token = (response.json() or {}).get("token", self.token)
        return response


class Service(Client):
    """A service client: every request carries the service key."""

    def __init__(self, key: str, **extra: Any) -> None:
        super().__init__(headers={"Authorization": f"Bearer {key}"}, **extra)
        self.secret = key

    def introspect(self, assertion: str) -> Any:
        """POST service/sessions/introspect/."""
        return self.post(
            "/api/v1/service/sessions/introspect/",
            {"assertion": assertion},
            content_type="application/json",
        )

    def feed(self, **query: Any) -> Any:
        """GET service/events/."""
        return self.get("/api/v1/service/events/", query)

    def files(self, session_uuid: str) -> Any:
        """GET service/sessions/{uuid}/uploads/."""
        return self.get(f"/api/v1/service/sessions/{session_uuid}/uploads/")

    def file(self, session_uuid: str, upload_id: Any) -> Any:
        """GET service/sessions/{uuid}/uploads/{id}/download/."""
        return self.get(f"/api/v1/service/sessions/{session_uuid}/uploads/{upload_id}/download/")


def made_key(*scopes: str, name: str = "maria-agent", days: int = 365) -> str:
    """Create a service key with the operators' command and return it."""
    out = io.StringIO()
    flags = [flag for scope in scopes for flag in ("--scope", scope)]
    call_command("create_service_key", name, *flags, days=days, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def mailed_code() -> str:
    """Return the six digits of the last mail."""
    return str(mail.outbox[-1].subject)[:6]


def started(kind: type[Visitor] = Visitor) -> Visitor:
    """Return a visitor with a new session."""
    visitor = kind()
    assert visitor.start().status_code == 201
    return visitor


def uploaded(visitor: Visitor, body: bytes | None = None, name: str = "report.pdf") -> UploadedFile:
    """Upload a file through the API and return its row."""
    response = visitor.upload(body, name)
    assert response.status_code == 201, response.content
    return UploadedFile.objects.get(pk=response.json()["id"])


def events(about: str | uuid.UUID | None = None) -> list[str]:
    """Return the types of all audit events, or of one session's, oldest first."""
    rows = AuditLog.objects.order_by("id")
    if about is not None:
        rows = rows.filter(session_uuid=about)
    return list(rows.values_list("event_type", flat=True))


def code(response: Any) -> str:
    """Return the code of a problem document, after checking that it is complete."""
    assert response["Content-Type"] == "application/problem+json", response.content
    document = response.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= document.keys()
    assert document["status"] == response.status_code
    assert document["request_id"] == response["X-Request-ID"]
    found: str = document["code"]
    return found


def age_session(session: UserSession, by: timedelta) -> None:
    """Move a session's times back, as if `by` had passed."""
    UserSession.objects.filter(pk=session.pk).update(
        **{
            name: F(name) - by
            for name in ("created_at", "last_seen_at", "used_at", "expires_at", "ended_at")
        }
    )


def age_upload(upload: UploadedFile, by: timedelta) -> None:
    """Move a file's times back, in its row and on disk."""
    UploadedFile.objects.filter(pk=upload.pk).update(
        **{name: F(name) - by for name in ("created_at", "stored_at", "lease_expires_at")}
    )
    path = store_root() / upload.key
    if path.exists():
        age_path(path, by)


def age_path(path: Path, by: timedelta) -> None:
    """Move a file's modification time back."""
    then = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (then, then))


def spool_root() -> Path:
    """The folder in which uploaded files are stored while they arrive."""
    return Path(settings.FILE_UPLOAD_TEMP_DIR)


def store_root() -> Path:
    """Return the folder of the disk store that the test uses."""
    return Path(storages["uploads"].path(""))


def stored_keys() -> set[str]:
    """Return the keys of all objects in the store, temporary files included."""
    root = store_root()
    return {p.relative_to(root).as_posix() for p in root.glob("uploads/**/*") if p.is_file()}


def plant(key: str, body: bytes = b"%PDF-1.4 planted", age: timedelta = timedelta(0)) -> Path:
    """Write an object directly to the store."""
    path = store_root() / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    age_path(path, age)
    return path


def database_text() -> str:
    """Return every column of every row of every table."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                parts += [
                    bytes(value).decode("latin-1")
                    if isinstance(value, bytes | memoryview)
                    else str(value)
                    for value in row
                ]
    return "\n".join(parts)


def at_once(count: int, work: Callable[[int], Any], threads: int = 0) -> list[Any]:
    """Run `work(0)` … `work(count - 1)` in threads, each with its own database connection."""

    def with_own_connection(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads or count) as pool:
        return list(pool.map(with_own_connection, range(count)))


@contextmanager
def keeping_connection() -> Iterator[None]:
    """Let the test's transaction keep its connection while the WSGI application is called.

    Django's own test client does the same.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
