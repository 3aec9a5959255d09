"""A writer that lost its lease continues: the retry that took over loses nothing."""

import gc
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from sessions_app.exceptions import SessionInvalid
from tests.helpers import Visitor, age_upload, events, pdf, started, store_root, stored_keys
from tests.uploads_app.spooled import Interrupted, Spooled
from uploads_app.exceptions import StorageUnavailable, UploadInProgress
from uploads_app.models import TAKEOVER_AFTER, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.upload import store_upload

pytestmark = [pytest.mark.both, pytest.mark.usefixtures("link_or_copy")]

BODY = pdf("stalled", 4000)
KEY = "0" * 64
WAIT = 60


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Finalize the files of both writers here: in another test, Python 3.11 may be parsing a source."""
    yield
    gc.collect()


class Writer(threading.Thread):
    """An upload in its own thread; `resume` lets it continue and waits for its end."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__()
        self.session, self.content = visitor.row, Interrupted(BODY, self._stall)
        self.outcome: UploadedFile | Exception | None = None
        self._stalled, self._go = threading.Event(), threading.Event()
        self.start()
        assert self._stalled.wait(WAIT), self.outcome

    def run(self) -> None:
        try:
            self.outcome = store(self.session, self.content)
        except Exception as error:
            self.outcome = error
        finally:
            connection.close()

    def resume(self) -> UploadedFile | Exception | None:
        """Let the upload continue and return its outcome."""
        self._go.set()
        self.join(WAIT)
        return self.outcome

    def _stall(self) -> None:
        self._stalled.set()
        assert self._go.wait(WAIT)


def store(session: object, content: Spooled) -> UploadedFile:
    """Upload with the same key each time, as the view does."""
    return store_upload(
        session=session,  # type: ignore[arg-type]
        content=content,
        name="report.pdf",
        retry_key=KEY,
    )


def let_lease_age() -> UploadedFile:
    """Age the lease so far that a retry may take over."""
    row = UploadedFile.objects.get()
    age_upload(row, TAKEOVER_AFTER + timedelta(seconds=1))
    return row


def assert_stored_once(visitor: Visitor, row: UploadedFile) -> None:
    """Check that one whole file with one event is stored, and no partial file."""
    found = UploadedFile.objects.get()
    assert (found.pk, found.status) == (row.pk, UploadStatus.STORED)
    assert stored_keys() == {row.key}
    assert (store_root() / row.key).read_bytes() == BODY
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(BODY))
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


def test_t39_old_writer_continues_after_the_retry_has_stored(committed: None) -> None:
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()

    retry = store(visitor.row, Spooled(BODY))
    outcome = old.resume()

    assert isinstance(outcome, UploadedFile)
    assert outcome.pk == retry.pk == row.pk
    assert_stored_once(visitor, row)


def test_t39_old_writer_continues_while_the_retry_is_writing(committed: None) -> None:
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()
    retry = Writer(visitor)

    outcomes = [old.resume(), retry.resume()]

    assert [outcome.pk for outcome in outcomes if isinstance(outcome, UploadedFile)] == [row.pk] * 2
    assert_stored_once(visitor, row)


def test_t39_one_retry_takes_over(committed: None) -> None:
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()
    retry = Writer(visitor)

    with pytest.raises(UploadInProgress):
        store(visitor.row, Spooled(BODY))

    retry.resume()
    old.resume()
    assert_stored_once(visitor, row)


def test_t39_storage_fails_for_the_old_writer_after_the_retry_has_stored(
    committed: None,
) -> None:
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()
    store(visitor.row, Spooled(BODY))
    for half_written in (old.content.path, *store_root().rglob("*.part")):
        half_written.unlink()  # the old writer's link fails as on a broken disk

    assert isinstance(old.resume(), StorageUnavailable)

    assert_stored_once(visitor, row)


def test_t39_old_writer_continues_after_the_visitor_deleted_the_file(committed: None) -> None:
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()
    store(visitor.row, Spooled(BODY))
    assert visitor.delete_upload(str(row.pk)).status_code == 204

    assert isinstance(old.resume(), StorageUnavailable)

    assert UploadedFile.objects.get().status == UploadStatus.DELETED
    assert stored_keys() == set()
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
    assert events(visitor.uuid) == ["session.created", "upload.stored", "upload.deleted"]


def test_t39_old_writer_continues_after_the_session_ended(committed: None) -> None:
    """The file that the retry stored is kept for its retention."""
    visitor = started()
    old = Writer(visitor)
    row = let_lease_age()
    store(visitor.row, Spooled(BODY))
    assert visitor.end().status_code == 204

    assert isinstance(old.resume(), SessionInvalid)

    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert (store_root() / row.key).read_bytes() == BODY
