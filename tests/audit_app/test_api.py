"""GET /api/v1/audit-logs/: read-only, for staff with the permission, in stable pages."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit_app.models import AuditLog
from audit_app.services import record
from common import context
from common.context import RequestContext
from sessions_app import events as session_events
from tests.cases import cases
from tests.helpers import Visitor, code, events, started, uploaded

URL = "/api/v1/audit-logs/"
FIELDS = {
    "id", "event_id", "occurred_at", "event_type", "outcome", "session_uuid", "target", "actor",
    "request_id", "network", "details",
}  # fmt: skip


def write(count: int = 1, actor: str = "visitor") -> None:
    with context.using(RequestContext("request-1", actor=actor)), transaction.atomic():
        for number in range(count):
            record(session_events.ENDED, lost_files=number)


def rows(client: Client, **filters: Any) -> list[dict[str, Any]]:
    response = client.get(URL, filters)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


@pytest.fixture
def auditor(make_staff: Any) -> Client:
    """A client that is signed in as an Auditor."""
    auditor: Client = make_staff("Auditor")
    return auditor


def test_without_a_log_in_it_answers_401(visitor: Visitor) -> None:
    for client in (Client(), visitor):
        for url in (URL, f"{URL}{AuditLog.objects.latest('id').pk}/"):
            response = client.get(url)
            assert response.status_code == 401
            assert response["WWW-Authenticate"] == "Session"
            assert code(response) == "not_authenticated"
            assert response["Cache-Control"] == "no-store"


def test_staff_without_the_permission_and_users_who_are_not_staff_get_403(
    visitor: Visitor, make_staff: Any, auditor: Client
) -> None:
    assert code(make_staff().get(URL)) == "permission_denied"
    assert code(make_staff(is_superuser=False).get(f"{URL}1/")) == "permission_denied"
    former = auditor.user  # type: ignore[attr-defined]
    assert auditor.get(URL).status_code == 200
    User.objects.filter(pk=former.pk).update(is_staff=False)
    assert code(auditor.get(URL)) == "permission_denied"
    User.objects.filter(pk=former.pk).update(is_staff=True, is_active=False)
    assert auditor.get(URL).status_code in (401, 403)


@pytest.mark.parametrize("group", ["Support", "Auditor"])
def test_both_groups_may_read(visitor: Visitor, make_staff: Any, group: str) -> None:
    staff = make_staff(group)
    (row,) = rows(staff, event_type="session.created")
    assert row.keys() == FIELDS
    assert row["session_uuid"] == visitor.uuid
    assert row["actor"] == "visitor"
    assert row["details"] == {"credential": "cookie", "support_code": visitor.row.support_code}
    assert staff.get(f"{URL}{row['id']}/").json() == row
    assert code(staff.get(f"{URL}{row['id'] + 10**6}/")) == "not_found"
    assert code(staff.get(f"{URL}{'9' * 18}/")) == "not_found"
    assert code(staff.get(f"{URL}{'9' * 19}/")) == "not_found"


def test_it_shows_no_personal_detail(db: None, auditor: Client) -> None:
    visitor = Visitor(REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT="Secret/1")
    visitor.start()
    uploaded(visitor, name="secret.pdf")
    page = auditor.get(URL).content.decode()
    assert "upload.stored" in page
    assert "203.0.113.0/24" in page
    for secret in ("203.0.113.77", "Secret/1", "secret.pdf"):
        assert secret not in page


@pytest.mark.both
def test_filters(visitor: Visitor, auditor: Client) -> None:
    uploaded(visitor)
    other = started()
    answer = other.end()
    all_rows = rows(auditor)
    assert len(all_rows) == AuditLog.objects.count() == 5

    def found(**filters: Any) -> list[str]:
        return [row["event_type"] for row in rows(auditor, **filters)]

    assert found(event_type="upload.stored") == ["upload.stored"]
    assert found(event_type="upload") == []
    assert found(session_uuid=visitor.uuid) == ["upload.stored", "session.created"]
    assert found(session_uuid=other.uuid) == ["session.ended", "session.created"]
    assert found(actor=f"staff:{auditor.user.pk}") == ["staff.signed_in"]  # type: ignore[attr-defined]
    assert found(request_id=answer["X-Request-ID"]) == ["session.ended"]
    assert found(session_uuid=other.uuid, event_type="session.ended") == ["session.ended"]
    assert found(no_such_filter="x") == [row["event_type"] for row in all_rows]


@pytest.mark.both
def test_a_time_range_includes_its_start_and_excludes_its_end(
    visitor: Visitor, auditor: Client
) -> None:
    log = AuditLog.objects.get(session_uuid=visitor.uuid)
    step = timedelta(microseconds=1)
    at = log.occurred_at
    for name, time, inside in [
        ("occurred_after", at - step, True),
        ("occurred_after", at, True),
        ("occurred_after", at + step, False),
        ("occurred_before", at - step, False),
        ("occurred_before", at, False),
        ("occurred_before", at + step, True),
    ]:
        found = rows(auditor, session_uuid=visitor.uuid, **{name: time.isoformat()})
        assert bool(found) == inside, (name, time - at)
    zoned = at.isoformat().replace("+00:00", "Z")
    assert rows(auditor, session_uuid=visitor.uuid, occurred_after=zoned)


BAD_FILTERS = [
    ("session_uuid", "x"),
    ("session_uuid", "' OR 1=1 --"),
    ("session_uuid", "\x00"),
    ("event_type", "a\x00b"),
    ("actor", "\x00"),
    ("request_id", "\x00"),
    ("occurred_after", "yesterday"),
    ("occurred_after", "2026-13-01T00:00:00Z"),
    ("occurred_after", "2026-02-30"),
    ("occurred_after", "0001-01-01T00:00:00+14:00"),
    ("occurred_before", "9999-12-31T23:59:59-12:00"),
    ("occurred_before", "\x00"),
    ("occurred_before", "9" * 5000),
]


@cases(("name", "value"), BAD_FILTERS)
def test_an_invalid_filter_value_answers_400_and_names_the_filter(
    auditor: Client, name: str, value: str
) -> None:
    auditor.raise_request_exception = False
    response = auditor.get(f"{URL}?{name}={quote(value)}")
    assert response.status_code == 400, response.content
    assert code(response) == "invalid_input"
    assert list(response.json()["errors"]) == [name]


ODD_FILTERS = [
    ("event_type", "x" * 10_000),
    ("actor", "%"),
    ("actor", "\U0001f980"),
    ("request_id", "'"),
    ("occurred_after", ""),
    ("session_uuid", ""),
    ("page_size", "0"),
    ("page_size", "-1"),
    ("page_size", "x"),
    ("page_size", "9" * 400),
    ("format", "json"),
]


@cases(("name", "value"), ODD_FILTERS)
def test_an_odd_filter_value_is_not_an_error(auditor: Client, name: str, value: str) -> None:
    assert isinstance(rows(auditor, **{name: value}), list)


@pytest.mark.both
def test_a_lone_surrogate_in_a_filter_is_not_an_error(auditor: Client) -> None:
    auditor.raise_request_exception = False
    assert auditor.get(f"{URL}?actor=%ED%A0%80").status_code in (200, 400)


CURSORS = ["x", "%00", "", "p=x", "p=", "p=1.5", "p=" + "9" * 40, "o=x", "o=-1", "o=1e9", "r=x",
           "p=\x00", "p=-5&o=1000000", "r=1&p=None", "\udcff"]  # fmt: skip


@cases("cursor", CURSORS)
@cases("encoded", [False, True])
def test_a_forged_cursor_is_never_a_500(auditor: Client, cursor: str, encoded: bool) -> None:
    auditor.raise_request_exception = False
    raw = cursor.encode("utf-8", "surrogateescape")
    value = base64.b64encode(raw) if encoded else raw
    response = auditor.get(f"{URL}?cursor={quote(value)}")
    assert response.status_code in (200, 404), response.content
    if response.status_code == 404:
        assert code(response) == "not_found"


def pages(client: Client, url: str, between: Callable[[], None]) -> list[int]:
    """Follow the pages to the last; call `between` before each next one."""
    ids: list[int] = []
    while url:
        page = client.get(url).json()
        ids += [row["id"] for row in page["results"]]
        between()
        url = page["next"]
    return ids


@pytest.mark.both
@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_pages_show_every_row_once_while_new_ones_arrive(auditor: Client, size: int) -> None:
    write(25)
    expected = list(AuditLog.objects.order_by("-id").values_list("id", flat=True))
    arriving = lambda: write(2)  # noqa: E731
    assert pages(auditor, f"{URL}?page_size={size}", arriving) == expected


def test_pages_keep_their_filter_and_link_back(auditor: Client) -> None:
    write(5, actor="staff:7")
    write(5)
    first = auditor.get(URL, {"actor": "staff:7", "page_size": "3"}).json()
    assert len(first["results"]) == 3
    second = auditor.get(first["next"]).json()
    assert len(second["results"]) == 2
    assert second["next"] is None
    assert {row["actor"] for row in first["results"] + second["results"]} == {"staff:7"}
    assert auditor.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize(("requested", "given"), [("999", 999), ("1000", 1000), ("1001", 1000)])
def test_a_page_has_at_most_a_thousand_rows(auditor: Client, requested: str, given: int) -> None:
    with transaction.atomic():
        AuditLog.objects.bulk_create(
            AuditLog(
                occurred_at=AuditLog.objects.latest("id").occurred_at,
                event_type="x", outcome="error", actor="x", text='{"details":{}}',
            )
            for _ in range(1001)
        )  # fmt: skip
    assert len(rows(auditor, page_size=requested)) == given
    assert len(rows(auditor)) == 100


@cases("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_it_is_read_only(auditor: Client, method: str) -> None:
    pk = AuditLog.objects.latest("id").pk
    before = list(AuditLog.objects.values_list())
    for url in (URL, f"{URL}{pk}/"):
        response = getattr(auditor, method)(url, content_type="application/json")
        assert response.status_code == 405
        assert response["Allow"] == "GET, HEAD"
        assert code(response) == "method_not_allowed"
    assert list(AuditLog.objects.values_list()) == before
    assert auditor.head(URL).status_code == 200


def test_reading_writes_no_event(auditor: Client) -> None:
    before = events()
    rows(auditor)
    Client().get(URL)
    assert events() == before


@pytest.mark.both
def test_the_number_of_queries_does_not_grow_with_the_rows(auditor: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            rows(auditor)
        return len(counted)

    one = queries()
    write(39)
    assert AuditLog.objects.count() == 40
    assert queries() == one
