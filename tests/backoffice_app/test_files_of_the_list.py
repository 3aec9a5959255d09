"""Staff act on files that they tick in the list of files, also of several sessions."""

import io
import re
import zipfile
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import inline_code, list_of, shown_text
from tests.backoffice_app.test_several_files import undo
from tests.helpers import Visitor, pdf, started, uploaded
from uploads_app.models import UploadedFile

REASON = "Legal or data request"
ACTIONS = ("give", "download", "quarantine", "restore")


@pytest.fixture
def visitors(db: None) -> list[Visitor]:
    return [started(), started()]


@pytest.fixture
def files(visitors: list[Visitor]) -> list[UploadedFile]:
    """Three files of two sessions."""
    first, second = visitors
    pairs = ((first, "anna"), (first, "bert"), (second, "carl"))
    return [uploaded(visitor, pdf(name), f"{name}.pdf") for visitor, name in pairs]


def address(name: str, files: list[UploadedFile]) -> str:
    chosen = "".join(f"&chosen={file.pk}" for file in files)
    return f"{list_of(UploadedFile)}several/{name}_files/?back={quote(list_of(UploadedFile) + '?o=created_at')}{chosen}"


def act(staff: Client, name: str, files: list[UploadedFile], **more: Any) -> Any:
    """Confirm an action on files, and follow to the page that answers."""
    values = {"chosen": [str(file.pk) for file in files], "reason": REASON, **more}
    return staff.post(address(name, files), values, follow=True)


def states() -> dict[str, str]:
    return dict(UploadedFile.objects.order_by("created_at").values_list("name", "status"))


def recorded(event: str) -> list[tuple[str, str]]:
    logs = AuditLog.objects.filter(event_type=event).order_by("id")
    return [(log.target, log.details["reason"]) for log in logs]


@pytest.mark.both
def test_files_of_two_sessions_are_quarantined_and_released(
    files: list[UploadedFile], support: Client
) -> None:
    chosen = [files[0], files[2]]
    page = act(support, "quarantine", chosen)
    assert "2 files are in quarantine." in shown_text(page.content.decode())
    assert page.request["PATH_INFO"] == list_of(UploadedFile)
    assert page.request["QUERY_STRING"] == "o=created_at"
    assert states() == {"anna.pdf": "quarantined", "bert.pdf": "stored", "carl.pdf": "quarantined"}
    assert recorded("upload.quarantined") == [(f"upload:{one.pk}", REASON) for one in chosen]
    page = undo(support, page)
    assert set(states().values()) == {"stored"}
    again = undo(support, page)
    act(support, "restore", chosen)
    assert "2 files are in quarantine." in shown_text(again.content.decode())
    assert set(states().values()) == {"stored"}
    assert len(recorded("upload.restored")) == 4


def test_the_list_offers_its_actions_and_the_form_shows_the_ticked_files(
    files: list[UploadedFile], support: Client
) -> None:
    html = support.get(list_of(UploadedFile)).content.decode()
    assert inline_code(html) == []
    for name in ACTIONS:
        assert f'formaction="{list_of(UploadedFile)}several/{name}_files/"' in html
    assert re.findall(r'name="chosen" form="chosen" value="([^"]+)"', html) == [
        str(file.pk) for file in reversed(files)
    ]
    form = support.get(address("quarantine", files[1:])).content.decode()
    assert inline_code(form) == []
    assert form.count("checked") == 2
    assert "bert.pdf" not in form
    text = shown_text(form)
    assert f"session {files[1].session}" in text
    assert ("a•••.pdf" in text, "b•••.pdf" in text) == (False, True)
    nothing = support.get(address("restore", files)).content.decode()
    assert "No chosen file is quarantined." in shown_text(nothing)


@pytest.mark.both
def test_files_are_transferred_to_one_session_after_a_confirmation(
    visitors: list[Visitor], files: list[UploadedFile], support: Client
) -> None:
    visitors[0].reset()  # proves two of the files, and not the third
    target = visitors[0].row
    refused = act(support, "give", files, to=target.support_code)
    assert "Nothing links these two sessions." in shown_text(refused.content.decode())
    assert not UploadedFile.objects.filter(session=target).exists()
    page = act(support, "give", files, to=target.support_code, sure="on")
    text = shown_text(page.content.decode())
    assert f"2 of 3 files were transferred to {target}." in text
    assert f"c•••.pdf: {visitors[1].row} is still live" in text
    assert UploadedFile.objects.filter(session=target).count() == 2


def test_files_are_downloaded_as_one_archive_with_a_folder_for_each_session(
    visitors: list[Visitor], files: list[UploadedFile], support: Client
) -> None:
    answer = act(support, "download", files)
    first, second = (visitor.row.support_code for visitor in visitors)
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.namelist() == [
            f"{first}/files/001-anna.pdf",
            f"{first}/files/002-bert.pdf",
            f"{second}/files/001-carl.pdf",
            "index.txt",
        ]
        assert archive.read(f"{second}/files/001-carl.pdf") == pdf("carl")
    assert answer["Content-Disposition"] == 'attachment; filename="maria-files.zip"'
    assert recorded("staff.file_downloaded") == [(f"upload:{one.pk}", REASON) for one in files]


@pytest.mark.parametrize("role", ["", "Auditor", "Operator"])
def test_t64_without_the_permission_the_list_has_no_boxes_and_nothing_is_done(
    files: list[UploadedFile], make_staff: Any, role: str
) -> None:
    staff = make_staff(role)
    assert 'name="chosen"' not in staff.get(list_of(UploadedFile)).content.decode()
    for name in ACTIONS:
        assert staff.get(address(name, files)).status_code == 403
        assert act(staff, name, files).status_code == 403
    assert set(states().values()) == {"stored"}
    assert recorded("staff.file_downloaded") == []


def test_an_action_on_the_list_needs_a_reason_and_files_that_were_ticked(
    files: list[UploadedFile], support: Client
) -> None:
    refused: list[dict[str, Any]] = [{"reason": ""}, {"chosen": ["nothing"]}, {"chosen": []}]
    for values in refused:
        page = act(support, "quarantine", files[:1], **values)
        assert 'class="errorlist"' in page.content.decode()
    assert set(states().values()) == {"stored"}
