"""Helpers for identity tests: contact data, a mail server, logs, and every column of the database."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from aiosmtpd.controller import Controller
from django.db import connection

from audit_app.models import AuditLog
from tests.helpers import Visitor
from tests.mailbox import Mailbox
from tests.ports import free_port

CURRENT = "/api/v1/sessions/current/"
ACTIVITY = CURRENT + "activity/"
SEND = CURRENT + "email/"
VERIFY = CURRENT + "email/verify/"
ANNA = {"name": "Anna Agent", "email": "anna@example.com"}
LOG_HANDLER = "log"


def identify(visitor: Visitor, **values: Any) -> Any:
    """PATCH sessions/current/ with these values."""
    return visitor.patch(CURRENT, values, content_type="application/json", **visitor.named)


def ask_for_code(visitor: Visitor) -> Any:
    """POST sessions/current/email/."""
    return visitor.post(SEND, **visitor.named)


def verify(visitor: Visitor, code: str) -> Any:
    """POST sessions/current/email/verify/."""
    body = {"code": code}
    return visitor.post(VERIFY, body, content_type="application/json", **visitor.named)


def exported(visitor: Visitor) -> tuple[str, dict[str, Any]]:
    """GET sessions/current/export/ and return its text and its parsed content."""
    response = visitor.get(CURRENT + "export/")
    assert response.status_code == 200, response.content
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return text, json.loads(text)


def erase(visitor: Visitor, value: str = "true") -> Any:
    """DELETE sessions/current/?erase=…"""
    return visitor.delete(f"{CURRENT}?erase={value}", **visitor.named)


def details(event_type: str) -> list[dict[str, Any]]:
    """Return the details of each event of a type, in the order of writing."""
    rows = AuditLog.objects.filter(event_type=event_type).order_by("id")
    return [row.details for row in rows]


@contextmanager
def mail_server(settings: Any) -> Iterator[Mailbox]:
    """Run an SMTP server on a private port and let the product send its mail there."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    use_mail_server(settings, controller.port)
    try:
        yield mailbox
    finally:
        controller.stop()


def use_mail_server(settings: Any, port: int) -> None:
    """Let the product send its mail to this port, as EMAIL_URL=smtp://127.0.0.1:port does."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port


@contextmanager
def log_lines() -> Iterator[StringIO]:
    """Collect everything that the product's log handler writes, at level DEBUG."""
    (handler,) = (
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.name == LOG_HANDLER
    )
    sink = StringIO()
    before = handler.setStream(sink)
    # Lines of the test's own mail server are not the product's.
    mail_log = logging.getLogger("mail.log")
    mail_log.propagate = False
    try:
        yield sink
    finally:
        mail_log.propagate = True
        if before is not None:
            handler.setStream(before)


def database_dump() -> str:
    """Return every column of every row of every table as text, read without the ORM."""
    lines = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            lines += [f"{table} {row!r}" for row in cursor.fetchall()]
    return "\n".join(lines)
