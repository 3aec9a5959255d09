"""Helpers for the person's page: visitors with one address, and staff actions."""

import io
import re
import zipfile
from typing import Any

from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from sessions_app.models import UserSession
from tests.backoffice_app.pages import page_of
from tests.helpers import Visitor, mailed_code, started

EMAIL = "anna@example.com"


def claimed(email: str = EMAIL, name: str = "") -> Visitor:
    """Return a visitor who claims this address."""
    return _known(email=email, name=name)


def verified(email: str = EMAIL, name: str = "") -> Visitor:
    """Return a visitor with a verified address (set in the row, unlike `proven_by_code`)."""
    return _known(email=email, name=name, email_proven=True, completed_at=timezone.now())


def proven_by_code(email: str = EMAIL, name: str = "") -> Visitor:
    """Return a visitor who verified the address with the mailed code."""
    visitor = started()
    assert visitor.identify(email=email, name=name).status_code == 200
    cache.clear()  # an address may get only so many codes an hour
    assert visitor.ask_for_code().status_code == 202
    assert visitor.verify(mailed_code()).status_code == 200
    return visitor


def _known(**values: Any) -> Visitor:
    visitor = started()
    UserSession.objects.filter(pk=visitor.uuid).update(**values)
    return visitor


def seen(page: Any) -> str:
    """Return the hidden state of a page's form."""
    found = re.search(r'name="seen" value="([^"]*)"', page.content.decode())
    assert found is not None, page.content
    return found[1]


def erase_person(staff: Client, anchor: UserSession, **changed: str) -> Any:
    """Open the person erasure page of a session, fill it in and submit it."""
    url = page_of(anchor, "erase_person")
    values = {
        "seen": seen(staff.get(url)),
        "reason": "asked by letter",
        "code": anchor.support_code,
    }
    return staff.post(url, values | changed, follow=True)


def export(staff: Client, session: UserSession, file_format: str = "zip", **changed: str) -> Any:
    """Export a session, with a reason."""
    values = {"file_format": file_format, "reason": "asked by letter"}
    return staff.post(page_of(session, "export"), values | changed)


def unzipped(response: Any) -> dict[str, bytes]:
    """Read a streamed archive and return its members by name."""
    assert response.status_code == 200
    assert response.streaming
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        return {name: archive.read(name) for name in names}
