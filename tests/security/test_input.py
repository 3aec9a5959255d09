"""Hostile bodies: extra fields change no row, and no content causes a 500."""

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import HealthCheck, given
from hypothesis import settings as campaign
from hypothesis import strategies as st

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import SOAK, Visitor, code, events, pdf, started
from tests.security.routes import state
from uploads_app.models import UploadedFile

JSON_PATHS = [
    "/api/v1/sessions/",
    "/api/v1/sessions/validate/",
    "/api/v1/sessions/current/reset/",
]
COLUMNS = {field.name for field in UserSession._meta.get_fields()} | {
    "id", "pk", "session", "session_uuid", "is_staff", "is_superuser", "storage_key", "key",
    "user", "token", "limits", "previous", "max_files",
}  # fmt: skip
BOMBS = {
    "a deep list": b"[" * 100_000,
    "a list just within the size": b"[" * 65_000,
    "a deep object": b'{"a":' * 12_000,
    "a closed deep list in an object": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "infinity": b'{"uuid": 1e999}',
    "minus infinity": b'{"a": -1e999}',
    "infinity by name": b'{"a": Infinity}',
    "not a number": b'{"a": NaN}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "NUL in a value": b'{"a": "x\\u0000"}',
    "NUL in a key": b'{"x\\u0000": 1}',
    "NUL deep inside": b'{"a": [{"b": ["\\u0000"]}]}',
    "a raw NUL": b'{"a": "\x00"}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a lone surrogate in a key": b'{"\\udfff": 1}',
    "bytes that are no UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a document": b'{"a": "b',
    "two documents": b"{}{}",
    "a comment": b"{} // x",
    "single quotes": b"{'a': 1}",
    "no document": b" ",
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
quiet = campaign(
    max_examples=300 if SOAK else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def post(client: Visitor, path: str, body: bytes, content_type: str = "application/json") -> Any:
    return client.generic("POST", path, body, content_type=content_type, **client.named)


@cases("path", JSON_PATHS)
@cases("bomb", BOMBS)
def test_t19_a_bad_document_is_refused_and_changes_nothing(
    visitor: Visitor, path: str, bomb: str
) -> None:
    before, body = state(), BOMBS[bomb]
    too_large = len(body) > 64 * 1024

    response = post(visitor, path, body)

    expected = (413, "body_too_large") if too_large else (400, "malformed_body")
    assert (response.status_code, code(response)) == expected
    assert state() == before
    assert events() == ["session.created"]


def test_t19_a_list_nested_more_than_100_deep_is_refused(visitor: Visitor) -> None:
    """An error message quotes the value: without a limit a depth near Python's own causes a 500."""
    bodies = [b'{"credential": %b%b}' % (b"[" * depth, b"]" * depth) for depth in (100, 101, 850)]

    answers = [post(visitor, JSON_PATHS[0], body) for body in bodies]

    assert [*map(code, answers)] == ["invalid_input", "malformed_body", "malformed_body"]


@pytest.mark.parametrize("path", JSON_PATHS)
def test_t19_fifty_mebibytes_are_refused_without_reading(visitor: Visitor, path: str) -> None:
    before = state()

    response = post(visitor, path, b'{"a":"' + b"x" * (50 * 1024 * 1024) + b'"}')

    assert (response.status_code, code(response)) == (413, "body_too_large")
    assert state() == before


@pytest.mark.parametrize(("size", "status"), [(65_535, 200), (65_536, 200), (65_537, 413)])
def test_t19_the_limit_is_64_kib_exactly(visitor: Visitor, size: int, status: int) -> None:
    body = json.dumps({"uuid": visitor.uuid}).encode()

    response = post(visitor, "/api/v1/sessions/validate/", body.ljust(size))

    assert response.status_code == status


@cases("path", JSON_PATHS)
@cases(
    "content_type",
    ["text/plain", "application/xml", "text/json", "multipart/form-data; boundary=x",
     "application/x-www-form-urlencoded", "nonsense", "application/json-patch+json"],
)  # fmt: skip
def test_t19_another_content_type_is_refused(
    visitor: Visitor, path: str, content_type: str
) -> None:
    before = state()

    response = post(visitor, path, b"{}", content_type)

    assert (response.status_code, code(response)) == (415, "unsupported_media_type")
    assert state() == before


@pytest.mark.both
@quiet
@given(body=st.one_of(st.binary(max_size=200), anything.map(lambda v: json.dumps(v).encode())))
def test_t19_no_body_makes_an_endpoint_fail(db: None, body: bytes) -> None:
    cache.clear()
    visitor = started()
    for path in JSON_PATHS:
        assert post(visitor, path, body).status_code < 500


@quiet
@given(extra=st.dictionaries(st.sampled_from(sorted(COLUMNS)), anything, min_size=1))
def test_t18_extra_fields_of_a_creation_never_reach_the_row(
    db: None, extra: dict[str, Any]
) -> None:
    cache.clear()
    visitor = Visitor()

    response = post(visitor, "/api/v1/sessions/", json.dumps(extra).encode())

    if response.status_code != 201:  # for example NaN, NUL or a lone surrogate
        assert (response.status_code, code(response)) == (400, "malformed_body")
        return
    row = UserSession.objects.get(pk=response.json()["uuid"])
    event = AuditLog.objects.get(session_uuid=row.pk)
    assert row.status == "active"
    assert (row.used_at, row.ended_at, row.end_reason, row.predecessor) == (None, None, "", None)
    assert (row.expires_at - row.created_at).total_seconds() == 24 * 60 * 60
    assert str(row.pk) not in map(str, extra.values())
    assert row.support_code not in map(str, extra.values())
    assert event.details == {"credential": "cookie", "support_code": row.support_code}


@quiet
@given(extra=st.dictionaries(st.sampled_from(sorted(COLUMNS)), anything, min_size=1))
def test_t18_extra_fields_of_a_reset_never_reach_a_row(db: None, extra: dict[str, Any]) -> None:
    cache.clear()
    visitor = started()
    first = visitor.row

    response = post(visitor, "/api/v1/sessions/current/reset/", json.dumps(extra).encode())

    if response.status_code != 201:
        assert (response.status_code, code(response)) == (400, "malformed_body")
        return
    after = UserSession.objects.get(pk=first.pk)
    assert (after.status, after.end_reason) == ("reset", "requested")
    for name in ("support_code", "token_hash", "created_at", "last_seen_at", "expires_at"):
        assert getattr(after, name) == getattr(first, name)
    successor = UserSession.objects.get(pk=response.json()["uuid"])
    assert (successor.predecessor_id, successor.status) == (first.pk, "active")


def test_t18_extra_fields_of_an_upload_never_reach_its_row(visitor: Visitor) -> None:
    other = started()
    fields = dict.fromkeys(("id", "session", "key", "status", "size", "sha256", "content_type", "created_at", "stored_at", "lease_expires_at", "storage_key", "name"), other.uuid)  # fmt: skip

    response = visitor.post(
        "/api/v1/uploads/", {**fields, "file": SimpleUploadedFile("a.pdf", pdf())}, **visitor.named
    )

    assert response.status_code == 201
    row = UploadedFile.objects.get()
    assert (str(row.session_id), row.name, row.status) == (visitor.uuid, "a.pdf", "stored")
    assert str(row.pk) == response.json()["id"] != other.uuid
    assert row.key == f"uploads/{visitor.uuid}/{row.pk}.pdf"
    assert (row.size, row.content_type) == (len(pdf()), "application/pdf")
