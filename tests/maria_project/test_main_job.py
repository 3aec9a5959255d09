"""The product's main job: a visitor uploads, lists and downloads a file, then resets the session.

`test_run.py` runs the same steps as the shell commands of the README.
"""

import re
import uuid

import pytest
from django.urls import resolve

from tests.helpers import Visitor, events, pdf, stored_keys, uploaded
from tests.maria_project.pages import ROOT

pytestmark = pytest.mark.both


def test_a_visitor_uploads_lists_downloads_and_resets(visitor: Visitor) -> None:
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
    assert events(first) == [
        "session.created",
        "upload.stored",
        "upload.downloaded",
        "session.reset",
    ]
    assert events(visitor.uuid) == ["session.created"]


def test_the_readme_calls_each_endpoint_of_the_main_job() -> None:
    section = (ROOT / "README.md").read_text().split("## The main job")[1].split("\n## ")[0]
    addresses = re.findall(r'"\$API/(\S+)"', section)
    routes = [
        resolve(f"/api/v1/{address}".replace("$ID", str(uuid.uuid4()))) for address in addresses
    ]
    assert [route.view_name for route in routes] == [
        "session-list",
        "upload-list",
        "upload-list",
        "upload-download",
        "session-reset",
    ]
