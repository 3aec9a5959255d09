"""Files with blocked downloads: not inspected yet, not clean, or in quarantine."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import (
    Service,
    Visitor,
    age_session,
    code,
    events,
    pdf,
    stored_keys,
    uploaded,
)
from tests.sessions_app.service_support import service
from tests.uploads_app.cleanup.cleanup_support import quotas_fit
from uploads_app.inspection import sandbox
from uploads_app.models import Inspection, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.inspection import quarantine_upload, record_inspection
from uploads_app.tasks import cleanup_orphans, inspect_uploads

BODY = pdf("held")
# The verdicts that each setting blocks.
KEPT: dict[str, set[str]] = {
    "never": set(),
    "until_inspected": {"waiting"},
    "unless_clean": {"waiting", "suspect", "unreadable", "unsupported"},
}


@pytest.fixture
def upload(visitor: Visitor) -> UploadedFile:
    return uploaded(visitor, BODY, "report.pdf")


@pytest.fixture
def agent(db: None) -> Service:
    return service("uploads")


def by_every_way(visitor: Visitor, agent: Service, upload: UploadedFile, url: str) -> list[Any]:
    """Request a file's bytes and a link to them through every endpoint."""
    return [
        visitor.get(f"/api/v1/uploads/{upload.pk}/download/"),
        visitor.head(f"/api/v1/uploads/{upload.pk}/download/"),
        Client().get(url),
        agent.file(visitor.uuid, upload.pk),
        visitor.link(str(upload.pk)),
    ]


def assert_refused(answers: list[Any], wait: str | None = None) -> None:
    """Check that every answer is the refusal, with this `Retry-After`."""
    for answer in answers:
        assert answer.status_code == 409
        assert answer.headers.get("Retry-After") == wait
        if answer.request["REQUEST_METHOD"] != "HEAD":
            assert code(answer) == "file_held_back"
    assert "upload.downloaded" not in events()


def post(staff: Client, upload: UploadedFile, action: str, reason: str = "looks odd") -> str:
    """Submit an action on a file's admin page; return the messages of the next page."""
    answer = staff.post(page_of(upload, action), {"reason": reason}, follow=True)
    return shown_text(answer.content.decode())


@pytest.mark.parametrize("case", list(product(KEPT, Inspection.values)), ids=" ".join)
def test_setting_blocks_by_verdict(
    visitor: Visitor, agent: Service, upload: UploadedFile, settings: Any, case: tuple[str, str]
) -> None:
    hold, verdict = case
    url = visitor.link(str(upload.pk)).json()["url"]
    UploadedFile.objects.update(inspection=verdict)
    settings.HOLD_DOWNLOADS = hold

    answers = by_every_way(visitor, agent, upload, url)

    if verdict in KEPT[hold]:
        assert_refused(answers, wait="60" if verdict == "waiting" else None)
    else:
        assert [answer.status_code for answer in answers] == [200] * 5
        assert answers[0].getvalue() == BODY


@pytest.mark.both
def test_download_works_after_the_inspection(
    visitor: Visitor, upload: UploadedFile, settings: Any
) -> None:
    settings.HOLD_DOWNLOADS = "unless_clean"
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 409
    inspect_uploads()
    assert visitor.download(str(upload.pk)) == BODY


def test_visitor_sees_and_may_delete_a_blocked_file(
    visitor: Visitor, upload: UploadedFile, settings: Any
) -> None:
    settings.HOLD_DOWNLOADS = "until_inspected"
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/").json()["status"] == "stored"
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    assert stored_keys() == set()


def test_unknown_setting_value_blocks_downloads(
    visitor: Visitor, upload: UploadedFile, settings: Any
) -> None:
    settings.HOLD_DOWNLOADS = "yes"
    visitor.raise_request_exception = False
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 500


def test_t40_quarantined_file_cannot_be_downloaded(
    visitor: Visitor, agent: Service, upload: UploadedFile, make_staff: Any
) -> None:
    url = visitor.link(str(upload.pk)).json()["url"]
    staff = make_staff("Support")

    assert "nobody can download it" in post(staff, upload, "quarantine", "a colleague warned")

    assert_refused(by_every_way(visitor, agent, upload, url))
    for listed in (visitor.get("/api/v1/uploads/"), agent.files(visitor.uuid)):
        (file,) = listed.json()["results"]
        assert (file["id"], file["status"]) == (str(upload.pk), "quarantined")
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(BODY))
    assert stored_keys() == {upload.key}
    log = AuditLog.objects.get(event_type="upload.quarantined")
    assert (str(log.session_uuid), log.actor) == (visitor.uuid, f"staff:{staff.user.pk}")
    assert log.details == {"reason": "a colleague warned"}


def test_file_is_released_from_quarantine(
    visitor: Visitor, upload: UploadedFile, make_staff: Any
) -> None:
    staff = make_staff("Support")
    post(staff, upload, "quarantine")
    assert "was released from quarantine" in post(staff, upload, "restore", "all is well")

    assert visitor.download(str(upload.pk)) == BODY
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    log = AuditLog.objects.get(event_type="upload.restored")
    assert log.details == {"reason": "all is well"}
    assert inspect_uploads() == 1  # it was not inspected before


def test_page_shows_the_verdict_and_the_possible_actions(
    upload: UploadedFile, make_staff: Any
) -> None:
    support, auditor = make_staff("Support"), make_staff("Auditor")
    UploadedFile.objects.update(inspection="suspect", suspicions=["javascript", "<new>"])
    page = support.get(page_of(upload)).content.decode()
    assert ("Quarantine…" in page, "Release from quarantine…" in page) == (True, False)
    assert "The file runs a script.The file <new>." in shown_text(page)  # on two lines
    assert "…</a>" not in auditor.get(page_of(upload)).content.decode()
    post(support, upload, "quarantine")
    page = support.get(page_of(upload)).content.decode()
    assert ("Quarantine…" in page, "Release from quarantine…" in page) == (False, True)
    listed = support.get("/admin/uploads_app/uploadedfile/?inspection__exact=suspect")
    assert str(upload.pk) in listed.content.decode()
    listed = support.get("/admin/uploads_app/uploadedfile/?inspection__exact=clean")
    assert str(upload.pk) not in listed.content.decode()


@pytest.mark.parametrize("action", ["quarantine", "restore"])
@pytest.mark.parametrize("group", ["Auditor", ""])
def test_t68_staff_without_the_permission_cannot_quarantine_files(
    upload: UploadedFile, make_staff: Any, group: str, action: str
) -> None:
    before = list(UploadedFile.objects.values()), events(upload.session_id)
    staff = make_staff(group)
    for answer in (
        staff.get(page_of(upload, action)),
        staff.post(page_of(upload, action), {"reason": "x"}),
    ):
        assert answer.status_code == 403
    assert Client().post(page_of(upload, action), {"reason": "x"}).status_code == 302
    assert (list(UploadedFile.objects.values()), events(upload.session_id)) == before


@pytest.mark.parametrize("status", [s for s in UploadStatus if s != UploadStatus.STORED])
def test_file_that_is_not_stored_cannot_be_quarantined(
    upload: UploadedFile, make_staff: Any, status: UploadStatus
) -> None:
    UploadedFile.objects.update(status=status)
    before = list(UploadedFile.objects.values()), events(upload.session_id)
    assert "Nothing was changed" in post(make_staff("Support"), upload, "quarantine")
    if status != UploadStatus.QUARANTINED:
        assert "Nothing was changed" in post(make_staff(is_superuser=True), upload, "restore")
    result = [one for one in events(upload.session_id) if one != "staff.session_viewed"]
    assert (list(UploadedFile.objects.values()), result) == before


def test_action_requires_a_reason(upload: UploadedFile, make_staff: Any) -> None:
    post(make_staff("Support"), upload, "quarantine", " ")
    assert UploadedFile.objects.get().status == UploadStatus.STORED


@pytest.mark.parametrize("how", ["deleted", "erased", "past its retention"])
def test_quarantined_file_is_still_deleted_with_its_session(
    visitor: Visitor, upload: UploadedFile, how: str
) -> None:
    quarantine_upload(upload=upload, reason="looks odd")
    match how:
        case "deleted":
            visitor.delete_upload(str(upload.pk))
        case "erased":
            visitor.erase()
        case _:
            visitor.end()
            age_session(visitor.row, timedelta(days=8))
            assert cleanup_orphans() == "completed"

    upload.refresh_from_db()
    assert upload.status == UploadStatus.DELETED
    assert stored_keys() == set()
    assert quotas_fit()
    assert events().count("upload.deleted") == 1


@pytest.mark.parametrize("how", ["deleted", "erased", "quarantined", "inspected by another"])
def test_change_during_an_inspection_wins(
    visitor: Visitor, upload: UploadedFile, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    inspect = sandbox.inspect_content

    def meanwhile(content: Any, seconds: int) -> sandbox.Findings:
        found = inspect(content, seconds)
        match how:
            case "deleted":
                visitor.delete_upload(str(upload.pk))
            case "erased":
                visitor.erase()
            case "quarantined":
                quarantine_upload(upload=UploadedFile.objects.get(), reason="looks odd")
            case _:
                record_inspection(upload=upload, verdict=Inspection.SUSPECT)
        return found

    monkeypatch.setattr(sandbox, "inspect_content", meanwhile)

    assert inspect_uploads() == 0

    row = UploadedFile.objects.get()
    state, verdict, checks = {
        "deleted": ("deleted", "waiting", 0),
        "erased": ("deleted", "waiting", 0),
        "quarantined": ("quarantined", "waiting", 0),
        "inspected by another": ("stored", "suspect", 1),
    }[how]
    assert (row.status, row.inspection) == (state, verdict)
    assert events().count("upload.inspected") == checks
    assert quotas_fit()
