"""The upload form allows one file of the announced size under one key, for ten minutes."""

from datetime import timedelta
from typing import Any

import pytest

from tests.helpers import Visitor, pdf
from tests.s3_server import Bucket
from tests.uploads_app.direct_support import begun, incoming, post
from uploads_app.models import UploadedFile
from uploads_app.storage.keys import MARKER

BODY = pdf("by form", 4000)


@pytest.fixture(autouse=True)
def offered(s3: Bucket, settings: Any) -> None:
    """Let browsers send files to an empty bucket."""
    settings.DIRECT_UPLOADS = True


def test_t29_store_accepts_nothing_else(visitor: Visitor, s3: Bucket) -> None:
    form_data = begun(visitor, len(BODY))
    key, signature, policy = (
        form_data["upload"]["fields"][name] for name in ("key", "x-amz-signature", "policy")
    )
    another = begun(visitor, 10)["upload"]["fields"]
    refused: dict[str, tuple[bytes, dict[str, str]]] = {
        "one byte more": (BODY + b"\n", {}),
        "one byte less": (BODY[:-1], {}),
        "nothing": (b"", {}),
        "another type": (BODY, {"Content-Type": "text/html"}),
        "another key": (BODY, {"key": key.replace("incoming/", "uploads/")}),
        "another file's key": (BODY, {"key": another["key"]}),
        "a key below it": (BODY, {"key": f"{key}/more"}),
        "the marker": (BODY, {"key": MARKER}),
        "a signature that was changed": (BODY, {"x-amz-signature": signature[::-1]}),
        "another form's signature": (BODY, {"x-amz-signature": another["x-amz-signature"]}),
        "a policy that was changed": (BODY, {"policy": policy[:-4] + "AAAA"}),
        "no policy": (BODY, {"policy": ""}),
        "no signature": (BODY, {"x-amz-signature": ""}),
        "a field of its own": (BODY, {"x-amz-meta-note": "mine"}),
    }

    answers = {what: post(form_data, body, **fields) for what, (body, fields) in refused.items()}

    assert {
        what for what, answer in answers.items() if answer.status_code not in (400, 403)
    } == set()
    assert s3.keys() == {MARKER}
    assert post(form_data, BODY).status_code == 204
    assert (
        s3.keys()
        == {MARKER, key}
        == {MARKER, incoming(UploadedFile.objects.get(pk=form_data["id"]))}
    )


def test_t29_form_expires_before_its_lease(visitor: Visitor, s3: Bucket, settings: Any) -> None:
    settings.UPLOAD_LEASE = timedelta(minutes=-15)  # issue the form in the past
    form_data = begun(visitor, len(BODY))

    assert post(form_data, BODY).status_code == 403
    assert s3.keys() == {MARKER}


def test_t50_form_contains_no_name_but_the_key(visitor: Visitor) -> None:
    form_data = begun(visitor, len(BODY), "Anna Müller, report.pdf")

    assert "Anna" not in str(form_data)
    assert set(form_data["upload"]["fields"]) == {
        "key", "Content-Type", "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date",
        "x-amz-signature",
    }  # fmt: skip
