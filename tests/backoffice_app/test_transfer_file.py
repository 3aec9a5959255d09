"""Transferring a file of an ended session to the visitor's current session."""

import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.faults.crash_points import everywhere, killed_at
from tests.helpers import (
    Visitor,
    age_path,
    age_session,
    age_upload,
    at_once,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import quotas_fit, settled
from uploads_app.models import Inspection, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.inspection import quarantine_upload
from uploads_app.storage.base import StoredBytes
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.spool import SpooledFile

BODY = pdf("lost and found", size=100_000)
GIVEN = ["session.created", "upload.stored", "upload.restored"]


@pytest.fixture
def lost(visitor: Visitor) -> UploadedFile:
    """Return a file of a session that the visitor has ended."""
    upload = uploaded(visitor, BODY, "Steuer 2026.pdf")
    visitor.end()
    return upload


def give(staff: Client, upload: UploadedFile, to: Visitor | None = None, **more: str) -> Any:
    """Open and confirm the transfer page."""
    query = f"?to={to.row.support_code}" if to else ""
    data = {"why": "The visitor's session expired", "sure": "on", **more}
    return staff.post(page_of(upload, "give") + query, data, follow=True)


def said(answer: Any) -> str:
    return shown_text(answer.content.decode())


def files_of(visitor: Visitor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visitor.get("/api/v1/uploads/").json()["results"]
    return found


def is_untouched(upload: UploadedFile, *visitors: Visitor) -> None:
    """Check that nothing was transferred: one object, one row, no event, no quota."""
    assert stored_keys() == {upload.key}
    assert UploadedFile.objects.exclude(status=UploadStatus.LAPSED).get().pk == upload.pk
    assert not AuditLog.objects.filter(event_type="upload.restored").exists()
    for visitor in visitors:
        assert files_of(visitor) == []
    assert quotas_fit()


@pytest.mark.both
def test_the_visitor_gets_the_same_bytes_at_once(lost: UploadedFile, support: Client) -> None:
    now = started()
    page = said(give(support, lost, now))
    shown = "The visitor's open page shows it within a minute."
    assert f"S•••.pdf was transferred to {now.row}. {shown}" in page

    (file,) = files_of(now)
    assert (file["name"], file["sha256"]) == ("Steuer 2026.pdf", lost.sha256)
    assert now.download(file["id"]) == BODY
    copy = UploadedFile.objects.get(pk=file["id"])
    assert copy.key == f"uploads/{now.uuid}/{copy.pk}.pdf"
    assert stored_keys() == {lost.key, copy.key}
    assert now.row.used_at is not None
    assert UploadQuota.objects.get(session_id=uuid.UUID(now.uuid)).bytes == len(BODY)
    assert quotas_fit()
    lost.refresh_from_db()
    assert lost.status == UploadStatus.STORED

    assert events(now.uuid) == [*GIVEN, "upload.downloaded"]
    old, new = AuditLog.objects.filter(event_type="upload.restored").order_by("id")
    assert (old.session_uuid, old.target) == (lost.session_id, f"upload:{lost.pk}")
    assert (str(new.session_uuid), new.target) == (now.uuid, f"upload:{copy.pk}")
    reason = {"reason": "The visitor's session expired"}
    assert old.details == {"to_session": now.uuid, "to_upload": str(copy.pk), **reason}
    assert new.details == {
        "from_session": str(lost.session_id), "from_upload": str(lost.pk), **reason,
    }  # fmt: skip
    assert {old.actor, new.actor} == {f"staff:{support.user.pk}"}  # type: ignore[attr-defined]
    activity = now.get("/api/v1/sessions/current/activity/").json()["results"]
    assert ("upload.restored", "support staff") in [(one["event"], one["who"]) for one in activity]


def test_an_object_in_a_bucket_is_transferred(s3: Any, visitor: Visitor, support: Client) -> None:
    lost = uploaded(visitor, BODY)
    visitor.end()
    now = started()
    give(support, lost, now)
    (file,) = files_of(now)
    assert now.download(file["id"]) == BODY


def test_the_successor_is_offered(visitor: Visitor, support: Client) -> None:
    lost = uploaded(visitor, BODY)
    first = visitor.row
    visitor.reset()
    between = visitor.row
    visitor.reset()
    html = support.get(page_of(lost, "give")).content.decode()
    page = shown_text(html)
    assert f"From {first} reset" in page
    assert f"To {visitor.row} active" in page
    assert "The second session followed the first" in page
    assert "I have made sure" not in page
    assert between.support_code not in page
    assert inline_code(html) == []

    answer = support.post(page_of(lost, "give"), {"reason": "asked"}, follow=True)
    assert f"was transferred to {visitor.row}" in said(answer)
    assert len(files_of(visitor)) == 1


def test_a_stale_page_is_shown_again(visitor: Visitor, support: Client) -> None:
    lost = uploaded(visitor, BODY)
    visitor.reset()
    seen = support.get(page_of(lost, "give")).context["form"].initial["seen"]
    visitor.reset()
    answer = support.post(page_of(lost, "give"), {"reason": "asked", "seen": seen})
    assert "Nothing was done: the data has changed since you opened the page." in said(answer)
    assert str(visitor.row) in said(answer)
    is_untouched(lost, visitor)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "No live session follows"),
        ("MAR-7F3-K2Q-X9", "This is not a valid support code"),
        ("<script>alert(1)</script>", "This is not a valid support code"),
    ],
)
def test_without_a_target_session_the_page_asks_for_one(
    lost: UploadedFile, support: Client, code: str, sentence: str
) -> None:
    for ask in (support.get, support.post):
        answer = ask(f"{page_of(lost, 'give')}?to={code}")
        html = answer.content.decode()
        assert sentence in shown_text(html)
        assert "Support code:" in shown_text(html)
        assert inline_code(html) == []
    is_untouched(lost)


def test_an_unknown_code_is_an_error(lost: UploadedFile, support: Client) -> None:
    other = started()
    code = other.row.support_code
    UserSession.objects.filter(pk=other.uuid).update(support_code="MAR-0")
    answer = support.get(f"{page_of(lost, 'give')}?to={code}")
    assert "No session has this support code." in said(answer)
    near = f"/admin/find/?q={code}"
    assert f'href="{near}"' in answer.content.decode()
    assert "Ask for the code again" in support.get(near).content.decode()


@pytest.mark.parametrize(
    ("mail", "sentence", "must_say_so"),
    [
        ("", "Nothing links these two sessions.", True),
        ("Anna@mail.example", "at least one did not verify it", True),
        ("Anna@mail.example!", "Both sessions have verified the same e-mail address.", False),
    ],
)
def test_the_page_says_what_links_the_sessions_or_warns(
    lost: UploadedFile, support: Client, mail: str, sentence: str, must_say_so: bool
) -> None:
    now, address = started(), mail.rstrip("!")
    for pk, spelling in ((lost.session_id, address.lower()), (now.uuid, address)):
        UserSession.objects.filter(pk=pk).update(email=spelling, email_proven=mail.endswith("!"))
    page = support.get(f"{page_of(lost, 'give')}?to={now.row.support_code}")
    assert sentence in said(page)
    assert ("admin-note-bad" in page.content.decode()) == must_say_so
    assert "mail.example" not in page.content.decode().lower()

    refused = give(support, lost, now, sure="")
    assert ("Verify this first, then tick the box." in said(refused)) == must_say_so
    assert len(files_of(now)) == (not must_say_so)


def test_viewing_the_two_sessions_is_recorded_for_both(lost: UploadedFile, support: Client) -> None:
    now = started()
    support.get(f"{page_of(lost, 'give')}?to={now.row.support_code}")
    seen = AuditLog.objects.filter(event_type="staff.session_viewed")
    assert {str(log.session_uuid) for log in seen} == {str(lost.session_id), now.uuid}


def test_a_second_transfer_is_refused_and_names_the_first(
    lost: UploadedFile, support: Client
) -> None:
    first, second = started(), started()
    give(support, lost, first)
    for again in (first, second):
        page = said(give(support, lost, again))
        assert f"This file was transferred to {first.row} before" in page
    assert (len(files_of(first)), len(files_of(second))) == (1, 0)
    assert AuditLog.objects.filter(event_type="upload.restored").count() == 2
    assert str(first.row) in said(support.get(page_of(lost)))

    # After the visitor deletes the copy, it can be transferred again.
    first.delete_upload(files_of(first)[0]["id"])
    give(support, lost, second)
    assert len(files_of(second)) == 1
    assert quotas_fit()


@pytest.mark.both
def test_two_staff_at_once_create_one_copy(committed: None, make_staff: Any) -> None:
    visitor = started()
    lost = uploaded(visitor, BODY)
    visitor.end()
    targets, staff = [started(), started()], [make_staff("Support"), make_staff("Support")]
    at_once(2, lambda number: give(staff[number], lost, targets[number]))
    assert sum(len(files_of(target)) for target in targets) == 1
    assert UploadedFile.objects.filter(restored_from=lost, status=UploadStatus.STORED).count() == 1
    assert AuditLog.objects.filter(event_type="upload.restored").count() == 2
    assert len(stored_keys()) == 2
    assert quotas_fit()


def test_a_file_of_a_live_session_is_not_transferred(visitor: Visitor, support: Client) -> None:
    upload, other = uploaded(visitor, BODY), started()
    assert "is still live: its visitor can open the file there." in said(
        give(support, upload, other)
    )
    is_untouched(upload, other)
    assert page_of(upload, "give") not in support.get(page_of(upload)).content.decode()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("quarantined", "This file is in quarantine"), ("missing", "This file is not stored")],
)
def test_only_stored_files_are_transferred(
    lost: UploadedFile, support: Client, status: str, sentence: str
) -> None:
    now = started()
    UploadedFile.objects.filter(pk=lost.pk).update(status=status)
    assert sentence in said(give(support, lost, now))
    is_untouched(lost, now)


def test_an_erased_session_has_nothing_to_transfer(visitor: Visitor, support: Client) -> None:
    lost, now = uploaded(visitor, BODY), started()
    visitor.erase()
    assert "This file is not stored" in said(give(support, lost, now))
    assert (files_of(now), stored_keys()) == ([], set())


def test_an_ended_session_gets_nothing(lost: UploadedFile, support: Client) -> None:
    for over in (started(), started()):
        if UserSession.objects.count() == 2:
            over.end()
        else:
            age_session(over.row, timedelta(days=60))
        assert "Ask the visitor for the support code that the page shows now" in said(
            give(support, lost, over)
        )
    assert stored_keys() == {lost.key}
    assert "upload.lapsed" not in events()


def test_a_full_session_gets_nothing(lost: UploadedFile, support: Client, settings: Any) -> None:
    now = started()
    settings.UPLOAD_MAX_TOTAL_BYTES = len(BODY) - 1
    assert f"The quota of {now.row} is used up" in said(give(support, lost, now))
    is_untouched(lost, now)
    assert events(now.uuid) == ["session.created"]


def test_a_deleted_object_cannot_be_transferred(lost: UploadedFile, support: Client) -> None:
    now = started()
    (store_root() / lost.key).unlink()
    assert "The object of this file is missing" in said(give(support, lost, now))
    assert not UploadedFile.objects.filter(session_id=uuid.UUID(now.uuid)).exists()


def test_damaged_bytes_are_not_transferred(lost: UploadedFile, support: Client) -> None:
    now = started()
    path = store_root() / lost.key
    path.chmod(0o600)
    path.write_bytes(BODY[:-1] + b"x")
    assert "The stored bytes are damaged" in said(give(support, lost, now))
    is_untouched(lost, now)
    (lapsed,) = AuditLog.objects.filter(event_type="upload.lapsed")
    assert lapsed.details == {"reason": "not_given"}


def test_a_failing_store_leaves_no_partial_transfer(lost: UploadedFile, support: Client) -> None:
    now = started()
    (store_root() / "uploads" / now.uuid).write_text("in the way")
    page = said(give(support, lost, now))
    assert "Files are not available at the moment, and nothing was changed" in page
    (store_root() / "uploads" / now.uuid).unlink()
    is_untouched(lost, now)
    give(support, lost, now)
    assert len(files_of(now)) == 1


class SlowStore(DiskStore):
    """A store that calls a function during `put`."""

    meanwhile: Callable[[], object]

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        written = super().put(key, chunks, spooled)
        type(self).meanwhile()
        return written


@pytest.mark.parametrize("what", ["the target ends", "the file is taken away"])
def test_changes_during_the_copy_are_noticed(
    lost: UploadedFile, support: Client, settings: Any, what: str
) -> None:
    now, row = started(), UploadedFile.objects.get(pk=lost.pk)
    options = settings.STORAGES["uploads"]["OPTIONS"]
    slow = {"BACKEND": f"{__name__}.SlowStore", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "uploads": slow}
    is_end = what == "the target ends"
    SlowStore.meanwhile = staticmethod(
        now.end if is_end else lambda: quarantine_upload(upload=row, reason="odd")
    )
    page = said(give(support, lost, now))
    assert (
        "has ended. Ask the visitor for the support code"
        if is_end
        else "was deleted or quarantined meanwhile"
    ) in page
    assert stored_keys() == {lost.key}
    assert UploadedFile.objects.get(session_id=uuid.UUID(now.uuid)).status == UploadStatus.LAPSED
    assert "upload.restored" not in events()
    assert events(now.uuid)[-1] == "upload.lapsed"
    assert quotas_fit()


def test_the_copy_keeps_the_inspection_verdict(
    lost: UploadedFile, support: Client, settings: Any
) -> None:
    now, then = started(), timezone.now()
    found = {"inspection": Inspection.SUSPECT, "suspicions": ["javascript"], "inspected_at": then}
    UploadedFile.objects.filter(pk=lost.pk).update(**found)
    settings.HOLD_DOWNLOADS = "unless_clean"
    give(support, lost, now)
    copy = UploadedFile.objects.get(session_id=uuid.UUID(now.uuid))
    assert {name: getattr(copy, name) for name in found} == found
    assert now.get(f"/api/v1/uploads/{copy.pk}/download/").status_code == 409


@pytest.mark.parametrize("role", ["", "Auditor", "Operator"])
def test_t68_only_support_transfers_files(lost: UploadedFile, make_staff: Any, role: str) -> None:
    now, staff = started(), make_staff(role)
    assert staff.get(page_of(lost, "give")).status_code == 403
    assert give(staff, lost, now).status_code == 403
    is_untouched(lost, now)


@pytest.mark.slow
def test_t60_a_transfer_is_killed_at_any_point(committed: None, make_staff: Any) -> None:
    """The file is transferred completely, or two cleanup runs move the rest to the trash."""
    support = make_staff("Support")

    def attempt(number: int) -> str:
        visitor, now = started(), started()
        lost = uploaded(visitor, BODY)
        visitor.end()
        point = killed_at(number, lambda: give(support, lost, now))
        for upload in UploadedFile.objects.filter(session_id=uuid.UUID(now.uuid)):
            age_upload(upload, timedelta(hours=2))
        for _ in range(2):
            for path in store_root().glob(f"uploads/{now.uuid}/*"):
                age_path(path, timedelta(hours=2))
            settled()
        given = files_of(now)
        restored = AuditLog.objects.filter(
            event_type="upload.restored", session_uuid__in=[now.uuid, visitor.uuid]
        )
        assert restored.count() == 2 * len(given)
        assert [now.download(file["id"]) for file in given] == [BODY] * len(given)
        here = {key for key in stored_keys() if now.uuid in key}
        assert len(here) == len(given)
        assert quotas_fit()
        if not given:
            give(support, lost, now)
            assert len(files_of(now)) == 1
        return point

    assert len(everywhere(attempt, 1)) >= 3
