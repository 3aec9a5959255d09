"""A session or a file that changes while an upload is committed, on PostgreSQL."""

from typing import Any

import pytest

from sessions_app.services.sessions import revoke_session
from tests.helpers import Visitor, code, events, pdf, started, stored_keys, uploaded
from tests.row_locks import ON_POSTGRESQL, Pause, change_while_open
from tests.sessions_app.support import clone
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.services.inspection import quarantine_upload
from uploads_app.services.transfer import NotTransferred, transfer_upload
from uploads_app.storage.base import StoredBytes
from uploads_app.storage.disk_store import DiskStore

pytestmark = ON_POSTGRESQL


@pytest.fixture
def visitor(committed: None) -> Visitor:
    return started()


def test_no_file_is_stored_in_a_session_that_is_revoked_meanwhile(visitor: Visitor) -> None:
    tab = clone(visitor)

    answer = change_while_open(
        lambda: revoke_session(session=visitor.row, reason="abuse"),
        lambda: tab.upload(pdf("too late")),
    )

    assert (answer.status_code, code(answer)) == (401, "session_invalid")
    assert not UploadedFile.objects.filter(status=UploadStatus.STORED).exists()
    assert stored_keys() == set()
    assert "upload.stored" not in events()


def test_a_file_that_is_quarantined_meanwhile_is_not_transferred(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploaded(visitor)
    visitor.end()
    now, pause, put = started(), Pause(), DiskStore.put

    def write_slowly(self: DiskStore, *arguments: Any) -> StoredBytes:
        stored = put(self, *arguments)
        pause.here()
        return stored

    monkeypatch.setattr(DiskStore, "put", write_slowly)

    outcome = change_while_open(
        lambda: quarantine_upload(
            upload=UploadedFile.objects.get(pk=upload.pk), reason="reported as abuse"
        ),
        lambda: transfer_upload(upload=upload, session=now.row, reason="expired"),
        pause,
    )

    assert isinstance(outcome, NotTransferred)
    assert stored_keys() == {upload.key}
    assert not UploadedFile.objects.filter(session=now.row, status=UploadStatus.STORED).exists()
    assert "upload.restored" not in events()
