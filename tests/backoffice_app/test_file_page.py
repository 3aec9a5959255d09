"""A file's page in the admin: what its state means, its bytes for a reason, and what is known of its object."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.backoffice_app.pages import everything, inline_code, list_of, page_of, shown_text
from tests.helpers import (
    Visitor,
    age_session,
    events,
    pdf,
    started,
    store_root,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import DAY
from uploads_app.downloads import DOWNLOAD_HEADERS
from uploads_app.models import Inspection, UploadedFile, UploadStatus
from uploads_app.storage.base import StoredObject
from uploads_app.storage.disk_store import DiskStore

BODY = pdf("to be read")
READ = {"why": "The visitor asked me to check the file"}


@pytest.fixture
def upload(visitor: Visitor) -> UploadedFile:
    return uploaded(visitor, BODY, "Krankenakte Müller.pdf")


def page(staff: Client, upload: UploadedFile, name: str = "change") -> str:
    """Return what a page of a file shows, after seeing that nothing on it is inline."""
    answer = staff.get(page_of(upload, name))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert inline_code(html) == []
    return shown_text(html)


def downloads() -> int:
    return AuditLog.objects.filter(event_type="staff.file_downloaded").count()


# Its bytes -----------------------------------------------------------------------


@pytest.mark.both
def test_t68_a_download_hands_out_the_bytes_and_writes_down_why(
    upload: UploadedFile, support: Client
) -> None:
    answer = support.post(page_of(upload, "download"), READ)
    assert b"".join(answer.streaming_content) == BODY  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment; filename*=utf-8''Krankenakte")
    for name, value in DOWNLOAD_HEADERS.items():  # the admin adds to Cache-Control
        assert answer[name].startswith(value)
    log = AuditLog.objects.get(event_type="staff.file_downloaded")
    assert (log.session_uuid, log.target) == (upload.session_id, f"upload:{upload.pk}")
    assert log.details == {"reason": READ["why"], "size": len(BODY)}
    assert log.actor == f"staff:{support.user.pk}"  # type: ignore[attr-defined]


def test_t68_the_page_that_asks_gives_no_bytes(upload: UploadedFile, support: Client) -> None:
    for ask in (support.get, support.head):
        answer = ask(page_of(upload, "download"))
        assert answer["Content-Type"].startswith("text/html")
        assert BODY not in answer.content
    again = support.post(page_of(upload, "download"), {"reason": " "})
    assert "Choose a reason or write one." in shown_text(again.content.decode())
    assert downloads() == 0


@pytest.mark.parametrize("role", ["", "Auditor", "Operator", "Support", "superuser"])
def test_t68_each_action_on_a_file_is_for_those_who_may(
    upload: UploadedFile, make_staff: Any, role: str
) -> None:
    staff = make_staff(is_superuser=True) if role == "superuser" else make_staff(role)
    may = role in ("Support", "superuser")
    before = everything()
    for name in ("download", "give", "quarantine", "restore"):
        answer = staff.post(page_of(upload, name), READ)
        if not may:
            assert answer.status_code == 403, name
            assert staff.get(page_of(upload, name)).status_code == 403, name
    if not may:
        assert everything() == before
    assert downloads() == may
    may_scan = may or role == "Auditor"
    assert staff.get(page_of(upload, "explain")).status_code == (200 if may_scan else 403)


def test_t68_no_one_reads_a_file_without_a_log_in(upload: UploadedFile, visitor: Visitor) -> None:
    for client in (Client(), visitor):
        for name in ("download", "give", "explain"):
            answer = client.post(page_of(upload, name), READ)
            assert answer["Location"].startswith("/admin/login/")
    assert downloads() == 0


def test_where_visitors_are_sent_to_storage_staff_get_the_bytes_from_here(
    s3: Any, support: Client, settings: Any
) -> None:
    settings.DOWNLOADS = "redirect"
    visitor = started()
    upload = uploaded(visitor, BODY)
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 302
    answer = support.post(page_of(upload, "download"), READ)
    assert b"".join(answer.streaming_content) == BODY  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "quarantined"}, "was not downloaded: it is blocked for safety"),
        ({"inspection": "suspect"}, "was not downloaded: it is blocked for safety"),
        ({"status": "deleting"}, "is deleted or about to be deleted"),
        ({"status": "pending"}, "is deleted or about to be deleted"),
    ],
)
def test_what_no_one_may_have_staff_do_not_get(
    upload: UploadedFile, support: Client, settings: Any, change: dict[str, str], sentence: str
) -> None:
    settings.HOLD_DOWNLOADS = "unless_clean"
    UploadedFile.objects.filter(pk=upload.pk).update(**{"inspection": Inspection.CLEAN, **change})
    answer = support.post(page_of(upload, "download"), READ, follow=True)
    assert sentence in shown_text(answer.content.decode())
    assert downloads() == 0


def test_an_object_that_is_removed_is_no_download(upload: UploadedFile, support: Client) -> None:
    (store_root() / upload.key).unlink()
    answer = support.post(page_of(upload, "download"), READ, follow=True)
    assert "Its object is not in the store." in shown_text(answer.content.decode())
    assert downloads() == 0


# What its page says --------------------------------------------------------------


def test_it_says_what_its_state_means_for_the_visitor(
    upload: UploadedFile, visitor: Visitor, support: Client
) -> None:
    assert "The visitor sees it and can download it." in page(support, upload)
    visitor.delete_upload(str(upload.pk))
    shown = page(support, upload)
    assert "It was deleted on " in shown
    assert "Its visitor deleted it." in shown


def test_of_a_session_that_is_over_it_says_until_when_the_file_is_kept(
    upload: UploadedFile, visitor: Visitor, support: Client, settings: Any
) -> None:
    age_session(visitor.row, 8 * DAY)  # nobody has noticed yet that its time has run out
    shown = page(support, upload)
    assert f"{visitor.row} (expired)" in shown
    until = timezone.localtime(visitor.row.expires_at + settings.UPLOAD_RETENTION)
    assert f"It is kept until {until:%Y-%m-%d}" in shown
    assert "can be transferred to the visitor's current session" in shown


def test_every_state_has_its_words_and_its_actions(
    upload: UploadedFile, visitor: Visitor, support: Client
) -> None:
    for over in (False, True):
        for status in UploadStatus:
            UploadedFile.objects.filter(pk=upload.pk).update(status=status)
            html = support.get(page_of(upload)).content.decode()
            assert re.search(f'class="badge badge-.*>{status.label}</span>', html)
            names = ("give", "download", "quarantine", "restore", "explain")
            offered = {name for name in names if page_of(upload, name) in html}
            wanted = {
                UploadStatus.STORED: {"download", "quarantine"} | ({"give"} if over else set()),
                UploadStatus.QUARANTINED: {"restore"},
            }
            assert offered == wanted.get(status, set()) | {"explain"}, status
        visitor.end()


def test_a_file_that_waits_for_a_scan_says_so(
    upload: UploadedFile, support: Client, settings: Any
) -> None:
    settings.HOLD_DOWNLOADS = "until_inspected"
    assert "cannot download it: This file is being inspected" in page(support, upload)


def test_names_are_masked_on_every_page_of_a_file(upload: UploadedFile, support: Client) -> None:
    for url in (
        list_of(UploadedFile),
        *(page_of(upload, name) for name in ("change", "download", "give", "explain")),
    ):
        html = support.get(url).content.decode()
        assert "K•••.pdf" in html
        assert "Krankenakte" not in html
        assert "Müller" not in html


# The list ------------------------------------------------------------------------


def test_the_list_shows_sizes_to_read_and_filters_by_known_types(
    upload: UploadedFile, support: Client
) -> None:
    UploadedFile.objects.filter(pk=upload.pk).update(size=3 * 1024 * 1024)
    files = list_of(UploadedFile)
    shown = shown_text(support.get(files).content.decode())
    assert "3.0 MB" in shown.replace("\xa0", " ")
    assert "Type: All" in shown
    assert "1–1 of 1" in shown_text(support.get(f"{files}?type=application/pdf").content.decode())
    none = shown_text(support.get(f"{files}?type=image/png").content.decode())
    assert "No files match" in none
    assert "Clear the filters" in none


@pytest.mark.both
def test_the_list_asks_neither_for_distinct_values_nor_for_more_with_more_files(
    upload: UploadedFile, visitor: Visitor, support: Client
) -> None:
    def captured() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert support.get(list_of(UploadedFile)).status_code == 200
        return [query["sql"] for query in queries]

    captured()
    few = captured()
    for number in range(10):
        other = started()
        uploaded(other, pdf(str(number)))
    many = captured()
    assert len(few) == len(many)
    assert not any("DISTINCT" in sql for sql in many)


# What is known of its object -----------------------------------------------------


def test_explain_says_what_is_known_and_what_the_next_cleanup_does(
    upload: UploadedFile, visitor: Visitor, support: Client
) -> None:
    shown = page(support, upload, "explain")
    assert "It is a file of its session. The cleanup leaves it alone." in shown
    assert "The next cleanup run will do nothing." in shown
    assert upload.key in shown
    assert "upload.stored" in shown
    visitor.end()
    age_session(visitor.row, 8 * DAY)
    shown = page(support, upload, "explain")
    assert "Its retention is over. The cleanup deletes it." in shown
    assert "The next cleanup run will count it as “files past retention”." in shown
    assert "staff.session_viewed" in events(visitor.uuid)


class SilentStore(DiskStore):
    """A store that does not answer."""

    def describe(self, key: str) -> StoredObject | None:
        raise OSError(110, "Connection timed out")


def test_a_store_that_does_not_answer_holds_up_nothing_but_explain(
    upload: UploadedFile, support: Client, settings: Any
) -> None:
    options = settings.STORAGES["uploads"]["OPTIONS"]
    silent = {"BACKEND": f"{__name__}.SilentStore", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "uploads": silent}
    assert "The store does not respond" in page(support, upload, "explain")
    assert "The visitor sees it and can download it." in page(support, upload)


def test_ids_of_nothing_are_not_found(upload: UploadedFile, support: Client) -> None:
    nothing = UploadedFile(pk=upload.session_id)
    for name in ("download", "give", "explain"):
        assert support.get(page_of(nothing, name)).status_code == 404
        wrong = page_of(upload, name).replace(str(upload.pk), "nonsense")
        assert support.get(wrong).status_code == 404
    assert UserSession.objects.count() == 1
