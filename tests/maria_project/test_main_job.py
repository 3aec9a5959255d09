"""The product's main job, from the first request to the last, as a front end lives it."""

import pytest

from tests.helpers import Visitor, events, pdf, stored_keys, uploaded

pytestmark = pytest.mark.both


def test_a_visitor_uploads_reads_and_leaves(visitor: Visitor) -> None:
    body = pdf("main job")
    upload = uploaded(visitor, body, "Bericht März.pdf")

    listed = visitor.get("/api/v1/uploads/").json()["results"]
    assert [(item["id"], item["name"]) for item in listed] == [(str(upload.pk), "Bericht März.pdf")]
    assert visitor.download(str(upload.pk)) == body
    assert stored_keys() == {f"uploads/{visitor.uuid}/{upload.pk}.pdf"}

    first = visitor.uuid
    answer = visitor.reset().json()
    assert answer["previous"] == {
        "uuid": first,
        "reason": "requested",
        "lost": {"count": 1, "files": ["Bericht März.pdf"]},
    }
    assert visitor.get("/api/v1/uploads/").json()["results"] == []
    assert events(first) == ["session.created", "upload.stored", "session.reset"]
    assert events(visitor.uuid) == ["session.created"]
