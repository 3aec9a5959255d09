"""Staff transfer, download, quarantine and release several files of a session with one reason."""

import io
import re
import zipfile
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import Visitor, pdf, started, store_root, uploaded
from uploads_app.models import UploadedFile, UploadStatus

REASON = "Legal or data request"


@pytest.fixture
def files(visitor: Visitor) -> list[UploadedFile]:
    return [uploaded(visitor, pdf(name), f"{name}.pdf") for name in ("anna", "bert", "carl")]


def act(staff: Client, visitor: Visitor, name: str, files: list[UploadedFile], **more: str) -> Any:
    """Confirm an action on files of a session, and follow to the page that answers."""
    values = {"chosen": [str(file.pk) for file in files], "reason": REASON, **more}
    return staff.post(page_of(visitor.row, name), values, follow=True)


def states(visitor: Visitor) -> dict[str, str]:
    return dict(UploadedFile.objects.filter(session=visitor.row).values_list("name", "status"))


def recorded(event: str) -> list[tuple[str, str]]:
    """Return the file and the reason of each event of a type."""
    logs = AuditLog.objects.filter(event_type=event).order_by("id")
    return [(log.target, log.details["reason"]) for log in logs]


def targets(files: list[UploadedFile]) -> list[tuple[str, str]]:
    return [(f"upload:{file.pk}", REASON) for file in files]


@pytest.mark.both
def test_files_are_quarantined_and_released_each_with_its_event(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    page = act(support, visitor, "quarantine_files", files[:2])
    assert "2 files are in quarantine." in shown_text(page.content.decode())
    assert states(visitor) == {
        "anna.pdf": "quarantined", "bert.pdf": "quarantined", "carl.pdf": "stored",
    }  # fmt: skip
    assert recorded("upload.quarantined") == targets(files[:2])
    act(support, visitor, "restore_files", files[:2])
    assert set(states(visitor).values()) == {"stored"}
    assert recorded("upload.restored") == targets(files[:2])


@pytest.mark.both
def test_the_files_for_which_there_is_no_room_are_named_and_the_others_are_done(
    visitor: Visitor, files: list[UploadedFile], support: Client, settings: Any
) -> None:
    settings.UPLOAD_MAX_FILES = 3
    old = visitor.row
    visitor.reset()
    for name in ("new-1.pdf", "new-2.pdf"):
        uploaded(visitor, pdf(name), name)
    values = {"chosen": [str(file.pk) for file in files], "to": str(visitor.row), "reason": REASON}
    page = support.post(page_of(old, "give_files"), values, follow=True)
    text = shown_text(page.content.decode())
    assert f"1 of 3 files was transferred to {visitor.row}." in text
    for masked in ("b•••.pdf", "c•••.pdf"):
        assert f"Not done: {masked}: The quota of {visitor.row} is used up" in text
    assert set(states(visitor)) == {"anna.pdf", "new-1.pdf", "new-2.pdf"}
    copies = UploadedFile.objects.filter(session=visitor.row, restored_from__isnull=False)
    (copy,) = copies
    assert recorded("upload.restored") == targets([files[0], copy])


@pytest.mark.both
def test_files_are_transferred_to_the_session_that_followed(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    old = visitor.row
    visitor.reset()
    page = support.get(page_of(old, "give_files")).content.decode()
    assert visitor.row.support_code in page
    assert inline_code(page) == []
    assert "I have verified" not in page  # the sessions follow each other: nothing to confirm
    values = {"chosen": [str(file.pk) for file in files], "reason": REASON}
    answer = support.post(
        page_of(old, "give_files"), {**values, "to": visitor.row.support_code}, follow=True
    )
    assert f"3 files were transferred to {visitor.row}." in shown_text(answer.content.decode())
    assert states(visitor) == dict.fromkeys(("anna.pdf", "bert.pdf", "carl.pdf"), "stored")
    again = support.post(
        page_of(old, "give_files"), {**values, "to": visitor.row.support_code}, follow=True
    )
    assert "Nothing was done." in shown_text(again.content.decode())


def test_a_session_that_nothing_links_needs_a_confirmation(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    visitor.end()
    other = started()
    code = other.row.support_code
    refused = act(support, visitor, "give_files", files, to=code)
    assert "Nothing links these two sessions." in shown_text(refused.content.decode())
    assert states(other) == {}
    act(support, visitor, "give_files", files, to=code, sure="on")
    assert len(states(other)) == 3


def test_files_are_downloaded_as_one_archive_and_each_download_is_recorded(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    (store_root() / files[1].key).unlink()
    answer = act(support, visitor, "download_files", files)
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        code = visitor.row.support_code
        names = [f"{code}/files/001-anna.pdf", f"{code}/files/002-carl.pdf"]
        assert archive.namelist() == [*names, "index.txt"]
        assert archive.read(names[1]) == pdf("carl")
        assert "LEFT OUT: b•••.pdf" in archive.read("index.txt").decode()
    assert recorded("staff.file_downloaded") == targets([files[0], files[2]])


@pytest.mark.parametrize("role", ["", "Auditor", "Operator"])
def test_without_the_permission_nothing_is_done(
    visitor: Visitor, files: list[UploadedFile], make_staff: Any, role: str
) -> None:
    staff = make_staff(role)
    for name in ("quarantine_files", "restore_files", "give_files", "download_files"):
        assert staff.get(page_of(visitor.row, name)).status_code == 403
        assert act(staff, visitor, name, files).status_code == 403
    assert set(states(visitor).values()) == {"stored"}


def test_a_file_of_another_session_cannot_be_chosen(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    foreign = uploaded(started(), name="foreign.pdf")
    page = act(support, visitor, "quarantine_files", [files[0], foreign])
    assert "is not one of the available choices" in shown_text(page.content.decode())
    assert UploadedFile.objects.filter(status=UploadStatus.QUARANTINED).count() == 0


def test_the_chosen_files_of_the_page_are_ticked_and_masked(
    visitor: Visitor, files: list[UploadedFile], support: Client
) -> None:
    url = f"{page_of(visitor.row, 'quarantine_files')}?chosen={files[1].pk}"
    page = support.get(url).content.decode()
    ticked = [file for file in files if f'value="{file.pk}"' in page]
    assert len(ticked) == 3
    assert page.count("checked") == 1
    assert "anna.pdf" not in page
    assert "a•••.pdf, " in shown_text(page)


# The answer ------------------------------------------------------------------------


def undo(staff: Client, page: Any) -> Any:
    """Press Undo in the message of a page, with the values that its form has."""
    form = re.search(r'action="([^"]+)" class="undo">(.*?)</form>', page.content.decode(), re.S)
    assert form is not None
    values: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form[2]):
        values.setdefault(name, []).append(value)
    return staff.post(form[1].replace("&amp;", "&"), values, follow=True)


@pytest.mark.parametrize("name", ["quarantine", "quarantine_files"])
def test_a_quarantine_is_undone_from_its_message(
    visitor: Visitor, files: list[UploadedFile], support: Client, name: str
) -> None:
    if name == "quarantine":
        back = page_of(visitor.row)
        url = f"{page_of(files[0], name)}?back={quote(back)}"
        page = support.post(url, {"reason": REASON}, follow=True)
        assert page.request["PATH_INFO"] == back
    else:
        page = act(support, visitor, name, files[:1])
    assert states(visitor)["anna.pdf"] == "quarantined"
    shown = re.search(r'href="([^"]+\?request=[^"]+)">Show in the audit log', page.content.decode())
    assert shown is not None
    assert "upload.quarantined" in shown_text(support.get(shown[1]).content.decode())
    page = undo(support, page)
    assert states(visitor)["anna.pdf"] == "stored"
    assert recorded("upload.restored")[0][1].startswith("Undo: ")
    undo(support, page)
    assert states(visitor)["anna.pdf"] == "quarantined"


@pytest.mark.parametrize(
    "back", ["https://evil.example/admin/", "//evil.example/admin/", "/api/v1/", "/admin\\..", ""]
)
def test_an_action_returns_to_pages_of_the_admin_only(
    files: list[UploadedFile], support: Client, back: str
) -> None:
    url = f"{page_of(files[0], 'quarantine')}?back={quote(back)}"
    answer = support.post(url, {"reason": REASON})
    assert answer["Location"] == page_of(files[0])
