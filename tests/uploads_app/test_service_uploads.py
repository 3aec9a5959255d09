"""A service with a key lists and reads files of a live session; reads are in the visitor's activity."""

import uuid
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.helpers import (
    Service,
    Visitor,
    code,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.security.routes import state
from tests.sessions_app.service_support import service
from tests.sessions_app.support import end_as
from uploads_app.models import UploadedFile, UploadStatus

BODY = pdf("read by the agent")


@pytest.fixture
def agent(db: None) -> Service:
    return service("uploads")


def without_id(answer: Any) -> dict[str, Any]:
    """Return a refusal without the request id."""
    assert (answer.status_code, code(answer)) == (404, "not_found")
    document: dict[str, Any] = answer.json()
    document.pop("request_id")
    return document


@pytest.mark.both
def test_service_sees_the_files_and_their_verdicts(visitor: Visitor, agent: Service) -> None:
    for name in ("a.pdf", "Bericht März.pdf"):
        uploaded(visitor, name=name)
    visitor.delete_upload(str(uploaded(visitor).pk))
    uploaded(started())

    answer = agent.files(visitor.uuid)

    assert answer.status_code == 200
    own = visitor.get("/api/v1/uploads/").json()
    for file in own["results"]:
        file.update(inspection="waiting", suspicions=[])
    assert answer.json() == own
    assert len(own["results"]) == 2
    assert answer["Cache-Control"] == "no-store"
    assert "upload.downloaded" not in events()  # listing does not count as reading


@pytest.mark.parametrize("size", [0, 65_537, 5 * 1024 * 1024], ids=["page", "chunks", "largest"])
def test_service_reads_the_stored_bytes(visitor: Visitor, agent: Service, size: int) -> None:
    body = pdf("agent", size)
    upload = uploaded(visitor, body)

    answer = agent.file(visitor.uuid, upload.pk)

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == body


def test_t27_headers_equal_those_of_the_visitors_download(visitor: Visitor, agent: Service) -> None:
    upload = uploaded(visitor, BODY, "Bericht März.pdf")
    own = visitor.get(f"/api/v1/uploads/{upload.pk}/download/")
    own.getvalue()

    answer = agent.file(visitor.uuid, upload.pk)

    answer.getvalue()
    for name in (
        "Content-Type",
        "Content-Length",
        "Content-Disposition",
        "X-Content-Type-Options",
        "Content-Security-Policy",
        "Cross-Origin-Resource-Policy",
        "Cache-Control",
    ):
        assert answer[name] == own[name]
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["RateLimit-Policy"] == '"service-60s";q=1200;w=60'


def test_visitor_sees_who_read_the_file(visitor: Visitor, agent: Service) -> None:
    upload = uploaded(visitor, BODY, "report.pdf")

    agent.file(visitor.uuid, upload.pk).getvalue()

    log = AuditLog.objects.get(event_type="upload.downloaded")
    assert (str(log.session_uuid), log.actor) == (visitor.uuid, "service:maria-agent")
    assert (log.target, log.details) == (f"upload:{upload.pk}", {"size": len(BODY)})
    latest = visitor.get("/api/v1/sessions/current/activity/").json()["results"][0]
    assert (latest["event"], latest["who"], latest["file"]) == (
        "upload.downloaded",
        "service maria-agent",
        "report.pdf",
    )


def test_reading_changes_only_the_log(visitor: Visitor, agent: Service) -> None:
    upload = uploaded(visitor)
    before, objects = state(), stored_keys()
    agent.files(visitor.uuid)
    agent.file(visitor.uuid, upload.pk).getvalue()
    assert (state(), stored_keys()) == (before, objects)


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked", "erased"])
def test_t14_ended_session_is_answered_as_unknown(
    visitor: Visitor, agent: Service, make_staff: Any, how: str
) -> None:
    over, upload = visitor.uuid, uploaded(visitor)
    if how == "erased":
        visitor.delete("/api/v1/sessions/current/?erase=true", **visitor.named)
    else:
        end_as(how, visitor, make_staff)
    never = str(uuid.uuid4())

    assert without_id(agent.files(over)) == without_id(agent.files(never))
    assert without_id(agent.file(over, upload.pk)) == without_id(agent.file(never, uuid.uuid4()))
    assert "upload.downloaded" not in events()


def test_t14_file_is_found_only_in_its_session(visitor: Visitor, agent: Service) -> None:
    upload, other = uploaded(visitor), started()
    uploaded(other)

    refused = without_id(agent.file(other.uuid, upload.pk))

    assert refused == without_id(agent.file(other.uuid, uuid.uuid4()))
    assert "upload.downloaded" not in events()


@pytest.mark.parametrize(
    "status",
    [UploadStatus.PENDING, UploadStatus.DELETING, UploadStatus.DELETED, UploadStatus.LAPSED],
)
def test_file_that_is_not_kept_is_not_found(
    visitor: Visitor, agent: Service, status: UploadStatus
) -> None:
    upload = uploaded(visitor)
    UploadedFile.objects.update(status=status)

    without_id(agent.file(visitor.uuid, upload.pk))

    assert agent.files(visitor.uuid).json()["results"] == []
    assert "upload.downloaded" not in events()


def test_file_without_an_object_is_reported_and_not_read(visitor: Visitor, agent: Service) -> None:
    upload = uploaded(visitor)
    (store_root() / upload.key).unlink()

    answer = agent.file(visitor.uuid, upload.pk)

    assert (answer.status_code, code(answer)) == (404, "object_missing")
    assert "upload.downloaded" not in events()


@pytest.mark.parametrize(
    "name", ["x", "..", "%00", "{upper}", "{braces}"], ids=["x", "dots", "nul", "upper", "braces"]
)
def test_t13_other_spellings_of_a_uuid_are_not_found(
    visitor: Visitor, agent: Service, name: str
) -> None:
    upload = uploaded(visitor)
    upper, braces = visitor.uuid.upper(), f"{{{visitor.uuid}}}"
    spelling = name.format(upper=upper, braces=braces)

    for answer in (agent.files(spelling), agent.file(spelling, upload.pk)):
        assert answer.status_code == 404
    assert "upload.downloaded" not in events()
