"""A file has one media type, so a download answers whatever media types the client accepts."""

import pytest

from tests.cases import cases
from tests.helpers import Service, Visitor, code, pdf, uploaded
from tests.sessions_app.service_support import service

BODY = pdf("accepted")


@pytest.fixture
def agent(db: None) -> Service:
    return service("uploads")


@cases(
    "accept",
    ["application/octet-stream", "application/octet-stream, application/problem+json", "image/png"],
)
def test_a_download_ignores_accept(visitor: Visitor, agent: Service, accept: str) -> None:
    upload = uploaded(visitor, BODY)
    own = f"/api/v1/uploads/{upload.pk}/download/"
    services = f"/api/v1/service/sessions/{visitor.uuid}/uploads/{upload.pk}/download/"

    for client, url in ((visitor, own), (agent, services)):
        response = client.get(url, headers={"Accept": accept})
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf"), url
        assert response.getvalue() == BODY


def test_a_refused_download_is_a_problem_document_also_for_who_accepts_bytes_only(
    visitor: Visitor,
) -> None:
    upload = uploaded(visitor, BODY)
    visitor.delete_upload(str(upload.pk))

    response = visitor.get(
        f"/api/v1/uploads/{upload.pk}/download/", headers={"Accept": "application/octet-stream"}
    )

    assert (response.status_code, code(response)) == (404, "not_found")
    assert response["Content-Type"] == "application/problem+json"
