"""The product on a private S3 bucket: through the API, in both web servers, and nobody else's to read."""

from pathlib import Path

import pytest
import requests

from tests.helpers import at_once, pdf, started, uploaded
from tests.s3_server import Bucket
from tests.uploads_app.server import GUNICORN, WAITRESS, deployment, serving
from uploads_app.models import Status
from uploads_app.storage import MARKER


def test_a_file_is_stored_given_back_and_deleted(db: None, s3: Bucket) -> None:
    visitor, body = started(), pdf(size=2 * 1024 * 1024)

    upload = uploaded(visitor, body)

    assert s3.keys() == {MARKER, upload.key}
    assert visitor.download(str(upload.pk)) == body == s3.read(upload.key)
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    upload.refresh_from_db()
    assert upload.status == Status.DELETED
    assert s3.keys() == {MARKER}


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("command", [WAITRESS, GUNICORN], ids=["waitress", "gunicorn"])
def test_each_thread_of_a_web_server_reaches_the_bucket(
    s3: Bucket, tmp_path: Path, command: list[str]
) -> None:
    bodies = [pdf(f"file {number}") for number in range(3)]
    with serving(deployment(tmp_path / "data", s3.url), command) as server:
        answers = at_once(3, lambda number: server.upload(bodies[number]))

    assert [answer.status for answer in answers] == [201] * 3
    assert sorted(s3.read(key) for key in s3.keys("uploads/")) == sorted(bodies)


@pytest.mark.once
def test_nobody_reads_the_bucket_without_a_key(db: None, s3: Bucket) -> None:
    upload = uploaded(started())

    for path in ("", "?list-type=2", "?versions", upload.key, MARKER):
        answer = requests.get(f"{s3.endpoint}/{s3.name}/{path}", timeout=10)
        assert answer.status_code == 403, path
        assert b"<Contents>" not in answer.content
        assert not answer.content.startswith(b"%PDF")
