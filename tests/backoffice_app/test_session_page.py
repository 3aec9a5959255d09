"""The session page shows only the session's own files and history."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.services import record
from sessions_app import events as session_events
from sessions_app.models import UserSession
from tests.backoffice_app.pages import list_of, page_of, shown_text
from tests.helpers import Visitor, started, uploaded
from uploads_app.models import UploadedFile


def shown(support: Client, visitor: Visitor) -> str:
    """Return the visible text of a session's page."""
    page = support.get(page_of(visitor.row))
    assert page.status_code == 200
    return shown_text(page.content.decode())


@pytest.mark.both
def test_the_page_shows_only_this_sessions_files_and_history(support: Client) -> None:
    one, other = started(), started()
    mine, theirs = uploaded(one, name="mine.pdf"), uploaded(other, name="theirs.pdf")
    one.delete_upload(str(mine.pk))
    one.end()

    page = shown(support, one)
    assert "m•••.pdf Deleted" in page
    for event in ("session.created", "upload.stored", "upload.deleted", "session.ended"):
        assert event in page
    html = support.get(page_of(one.row)).content.decode()
    assert page_of(mine) in html
    for foreign in ("theirs.pdf", str(theirs.pk), other.uuid, other.row.support_code):
        assert foreign not in html
    assert page_of(theirs) in support.get(page_of(other.row)).content.decode()
    assert "session.ended" not in shown(support, other)


def test_the_page_links_to_the_successor_and_back(support: Client) -> None:
    visitor = started()
    first = visitor.row
    visitor.reset()
    second = visitor.row
    assert page_of(second) in support.get(page_of(first)).content.decode()
    assert page_of(first) in support.get(page_of(second)).content.decode()


def test_a_session_without_files_has_a_message(support: Client) -> None:
    assert "This session has no files." in shown(support, started())


def test_the_page_contains_neither_token_nor_hash(support: Client) -> None:
    visitor = started()
    html = support.get(page_of(visitor.row)).content.decode()
    assert visitor.token not in html
    assert visitor.row.token_hash not in html


def write_events(visitor: Visitor, count: int) -> None:
    """Write events about a session."""
    with transaction.atomic():
        for number in range(count):
            record(session_events.EXPIRED, session_uuid=visitor.row.uuid, reason=str(number))


def add_files(visitor: Visitor, count: int) -> None:
    """Create rows of deleted files, which the quota does not count."""
    UploadedFile.objects.bulk_create(
        UploadedFile(
            session=visitor.row, key=f"uploads/{visitor.uuid}/{timezone.now().timestamp()}{n}.pdf",
            name=f"{n}.pdf", status="deleted", size=1, content_type="application/pdf",
            sha256="0" * 64, lease_expires_at=timezone.now(),
        )
        for n in range(count)
    )  # fmt: skip


def queries(support: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as counted:
        assert support.get(url).status_code == 200
    return len(counted)


@pytest.mark.both
@pytest.mark.usefixtures("extended_once")
def test_t70_a_page_has_a_constant_number_of_queries(support: Client) -> None:
    visitor = started()
    add_files(visitor, 1)
    page = page_of(visitor.row)
    support.get(page)
    one = queries(support, page)
    add_files(visitor, 19)
    write_events(visitor, 19)
    assert queries(support, page) == one


@pytest.mark.both
@pytest.mark.parametrize("model", [UserSession, UploadedFile])
@pytest.mark.usefixtures("extended_once")
def test_t70_a_list_has_a_constant_number_of_queries(support: Client, model: Any) -> None:
    visitor = started()
    add_files(visitor, 1)
    support.get(list_of(model))
    one = queries(support, list_of(model))
    for _ in range(19):
        add_files(started(), 1)
    assert model.objects.count() == 20
    assert queries(support, list_of(model)) == one
