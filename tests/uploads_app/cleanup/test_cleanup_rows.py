"""The scan reads rows in pages, on PostgreSQL each while the one before is compared."""

import uuid

import pytest
from django.utils import timezone

from tests.maria_project.server import wait_for
from tests.row_locks import ON_POSTGRESQL, forget_earlier_connections, other_connections
from tests.uploads_app.cleanup.cleanup_support import HOUR, change, many
from uploads_app.cleanup import reconcile, upload_rows
from uploads_app.cleanup.findings import Ages
from uploads_app.cleanup.reconcile import ScanProgress, find_mismatches
from uploads_app.cleanup.upload_rows import read_pages
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import object_key

PAGE = 5


class RowsCrash(Exception):
    """Ends a scan."""


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAGE", PAGE)
    monkeypatch.setattr(upload_rows, "PAGE", PAGE)


@pytest.mark.both
@pytest.mark.parametrize("place", [0, PAGE - 1, PAGE])
def test_rows_with_malformed_keys_are_left_out_and_reported(
    db: None, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    files = sorted(many(2 * PAGE), key=lambda upload: upload.key)
    row = files.pop(place)
    for key in (
        object_key(row.session_id, uuid.uuid4(), "pdf"),
        object_key(uuid.uuid4(), row.pk, "pdf"),
        object_key(row.session_id, row.pk, "a/b"),
        row.key.replace("uploads", "erased"),
        str(row.pk),
    ):
        change(row, key=key)
        caplog.clear()

        pages = list(read_pages("", lambda: None))

        assert [read.key for page in pages for read in page] == [file.key for file in files]
        assert [f"the key of upload {row.pk} is malformed: {key!r}"] == caplog.messages


@pytest.mark.both
def test_each_page_pauses_once(db: None) -> None:
    many(2 * PAGE)
    pauses = []

    assert [len(page) for page in read_pages("", lambda: pauses.append(1))] == [PAGE, PAGE]
    assert len(pauses) == 2


class TestOnPostgresql:
    pytestmark = ON_POSTGRESQL

    @pytest.fixture(autouse=True)
    def own_connections(self, committed: None) -> None:
        forget_earlier_connections()

    def test_the_next_page_is_read_while_one_is_compared(self) -> None:
        many(3 * PAGE)
        read_ahead = []

        for _ in read_pages("", lambda: None):
            wait_for(lambda: other_connections("wait_event") == ["ClientRead"], 10)
            read_ahead += other_connections("state")
        assert read_ahead == ["active"] * 3

    @pytest.mark.parametrize("at", range(1, 6))
    def test_a_scan_that_stops_closes_its_connection(self, at: int) -> None:
        many(3 * PAGE)
        pauses = []

        def stop() -> None:
            pauses.append(1)
            if len(pauses) == at:
                raise RowsCrash

        ages = Ages.at(timezone.now(), grace=HOUR)
        found = find_mismatches(object_store(), ages, ScanProgress(stop))
        with pytest.raises(RowsCrash) as stopped:
            list(found)
        wait_for(lambda: other_connections("pid") == [], 10)
        assert stopped.traceback  # until here it keeps what the scan has used
