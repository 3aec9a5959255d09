"""A visitor sees the files of their own session, newest first, in pages."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.helpers import Visitor, code, events, started, store_root, uploaded
from tests.uploads_app.samples import UPLOADS
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.keys import object_key


def rows(
    visitor: Visitor, count: int, status: UploadStatus = UploadStatus.STORED
) -> list[UploadedFile]:
    """Create rows of stored files in pairs of equal age, each pair a second older."""
    now = timezone.now()
    session = visitor.row
    made = [
        UploadedFile(
            session=session, name=f"{n}.pdf", status=status, size=1, content_type="application/pdf",
            sha256="" if status in (UploadStatus.PENDING, UploadStatus.LAPSED) else "0" * 64,
            created_at=now - timedelta(seconds=n // 2), lease_expires_at=now,
        )
        for n in range(count)
    ]  # fmt: skip
    for row in made:
        row.key = object_key(session.uuid, row.id, "pdf")
    return UploadedFile.objects.bulk_create(made)


def test_files_are_listed_newest_first(visitor: Visitor) -> None:
    names = ["first.pdf", "second.pdf", "third.pdf"]
    for name in names:
        uploaded(visitor, name=name)

    answer = visitor.get(UPLOADS).json()

    assert [item["name"] for item in answer["results"]] == names[::-1]
    assert answer["next"] is answer["previous"] is None
    assert set(answer["results"][0]) == {
        "id", "name", "size", "content_type", "sha256", "status", "created_at"
    }  # fmt: skip


def test_a_new_session_has_no_files(visitor: Visitor) -> None:
    assert visitor.get(UPLOADS).json() == {"next": None, "previous": None, "results": []}
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.parametrize(("count", "pages"), [(99, [99]), (100, [100]), (101, [100, 1])])
def test_pages_have_a_hundred_files(visitor: Visitor, count: int, pages: list[int]) -> None:
    made = rows(visitor, count)

    found = []
    url = UPLOADS
    sizes = []
    while url:
        answer = visitor.get(url).json()
        sizes.append(len(answer["results"]))
        found += [item["id"] for item in answer["results"]]
        url = answer["next"] and "{0.path}?{0.query}".format(urlsplit(answer["next"]))

    newest_first = sorted(made, key=lambda row: (row.created_at, row.id), reverse=True)
    assert sizes == pages
    assert found == [str(row.id) for row in newest_first]


@pytest.mark.both
def test_next_page_is_correct_after_a_new_upload(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_MAX_FILES, settings.UPLOAD_MAX_TOTAL_BYTES = 1000, 10**9
    made = rows(visitor, 101)
    first = visitor.get(UPLOADS).json()
    late = uploaded(visitor)

    second = visitor.get("{0.path}?{0.query}".format(urlsplit(first["next"]))).json()

    seen = [item["id"] for item in first["results"] + second["results"]]
    assert sorted(seen) == sorted(str(row.id) for row in made)
    assert str(late.pk) not in seen


@pytest.mark.parametrize("cursor", ["x", "cj0xJnA9eA==", "cD14", "cD0yMDI2LTk5LTk5"])
def test_forged_cursor_is_refused(visitor: Visitor, cursor: str) -> None:
    """The last three decode to a position that is not a time: `r=1&p=x`, `p=x`, `p=2026-99-99`."""
    response = visitor.get(f"{UPLOADS}?cursor={cursor}")

    assert (response.status_code, code(response)) == (404, "not_found")


@pytest.mark.parametrize("status", UploadStatus)
def test_only_kept_files_are_listed_and_retrieved(visitor: Visitor, status: UploadStatus) -> None:
    row = rows(visitor, 1, status)[0]

    listed = visitor.get(UPLOADS).json()["results"]
    response = visitor.get(f"{UPLOADS}{row.pk}/")

    if status in (UploadStatus.STORED, UploadStatus.MISSING, UploadStatus.QUARANTINED):
        assert [item["status"] for item in listed] == [status]
        assert response.json() == listed[0]
    else:
        assert listed == []
        assert (response.status_code, code(response)) == (404, "not_found")


def test_only_files_of_the_session_are_listed(visitor: Visitor) -> None:
    other = started()
    mine, theirs = uploaded(visitor), uploaded(other)

    for owner, row in ((visitor, mine), (other, theirs)):
        assert [item["id"] for item in owner.get(UPLOADS).json()["results"]] == [str(row.pk)]


def test_retrieved_file_equals_the_upload_answer(visitor: Visitor) -> None:
    answer = visitor.upload().json()

    response = visitor.get(f"{UPLOADS}{answer['id']}/")

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json() == answer


@pytest.mark.both
@pytest.mark.parametrize("path", ["", "{}/", "{}/download/"])
def test_query_count_does_not_depend_on_the_number_of_files(visitor: Visitor, path: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            response = visitor.get(UPLOADS + path.format(upload.pk))
            assert response.status_code == 200
            response.getvalue()
        return len(queries)

    upload = uploaded(visitor)
    count()  # the first download of an hour is recorded
    with_one = count()
    for row in rows(visitor, 19):
        (store_root() / row.key).write_bytes(b"x")
    with_twenty = count()

    assert with_one == with_twenty <= 2


def test_reading_changes_nothing(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    before: Any = list(UploadedFile.objects.values()), [*events(), "upload.downloaded"]

    for path in ("", f"{upload.pk}/", f"{upload.pk}/download/"):
        for method in (visitor.get, visitor.head):
            response = method(UPLOADS + path)
            assert response.status_code == 200
            response.getvalue()

    assert (list(UploadedFile.objects.values()), events()) == before
