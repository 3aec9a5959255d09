"""Personal values are stored separately: the event commits to them and outlives their erasure."""

import json
import re
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from audit_app.canonical import commitment
from audit_app.models import AuditLog, AuditPersonal
from tests.helpers import Visitor, events, pdf, uploaded

pytestmark = pytest.mark.both

EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Use a fast password hash, because these tests do not depend on it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def committed_to(log: AuditLog) -> Any:
    """Return the commitment in a row's text."""
    return json.loads(log.text)["personal"]


def test_the_commitment_verifies(visitor: Visitor) -> None:
    uploaded(visitor, name="Anna Müller.pdf")
    log = AuditLog.objects.get(event_type="upload.stored")
    part = log.personal
    assert part.file_name == "Anna Müller.pdf"
    assert committed_to(log) == commitment(part.salt, part.values())
    part.file_name = "Anna Muller.pdf"
    assert committed_to(log) != commitment(part.salt, part.values())


def test_equal_values_have_unequal_commitments(visitor: Visitor) -> None:
    visitor.reset()
    created = AuditLog.objects.filter(event_type="session.created")
    parts = [log.personal for log in created]
    assert parts[0].values() == parts[1].values()
    assert len({part.salt for part in parts}) == len({committed_to(log) for log in created}) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", part.salt) for part in parts)


def test_erasure_leaves_the_row_unchanged(visitor: Visitor, make_staff: Any) -> None:
    uploaded(visitor, name="secret.pdf")
    log = AuditLog.objects.get(event_type="upload.stored")
    before = AuditLog.objects.filter(pk=log.pk).values().get()
    part = log.personal
    salt, values = part.salt, part.values()

    assert part.delete()[0] == 1

    assert AuditLog.objects.filter(pk=log.pk).values().get() == before
    assert committed_to(log) == commitment(salt, values)
    assert not AuditPersonal.objects.filter(pk=log.pk).exists()
    page = make_staff("Support").get(f"/admin/audit_app/auditlog/{log.pk}/change/")
    assert page.status_code == 200
    assert "secret.pdf" not in page.content.decode()
    assert "none, or erased" in page.content.decode()
    # The heading is the sentence of the event.
    assert "<h1>The visitor uploaded a file" in page.content.decode()


def broad_run(make_staff: Any, address: str) -> Visitor:
    """Use the API, the admin and the commands, with personal values everywhere."""
    visitor = Visitor(
        REMOTE_ADDR=address,
        HTTP_USER_AGENT="Browser (anna.agent@example.com)",
        HTTP_REFERER="https://example.com/?mail=anna.referer@example.com",
    )
    name = "anna.file@example.com.pdf"
    assert visitor.start().status_code == 201
    upload = uploaded(visitor, pdf("broad"), name)
    visitor.download(str(upload.pk))
    visitor.upload(b"no pdf", name)
    visitor.upload(pdf(size=6_000_000), name)
    for number in range(3):
        visitor.upload(pdf(str(number)), name)
    visitor.delete_upload(str(upload.pk))
    visitor.current(headers={"X-Session-UUID": str(uuid.uuid4())})
    visitor.current(headers={"X-Session-UUID": "anna.header@example.com"})
    visitor.post(
        "/api/v1/sessions/validate/",
        {"uuid": "anna.body@example.com"},
        content_type="application/json",
    )
    visitor.reset(reason="not_me")
    visitor.reset(reason="anna.reason@example.com")
    stranger = Visitor(REMOTE_ADDR=address, HTTP_USER_AGENT="anna.agent@example.com")
    stranger.current()
    stranger.cookies["maria_session"] = "mss1_" + "x" * 43
    stranger.current()
    staff = make_staff("Support")
    staff.get("/admin/", REMOTE_ADDR=address)
    other = Visitor(REMOTE_ADDR=address)
    other.start()
    other.end()
    other.start()
    staff.post(
        f"/admin/sessions_app/usersession/{other.uuid}/revoke/",
        {"reason": "abuse"},
        REMOTE_ADDR=address,
    )
    other.current()
    User.objects.create_superuser("anna.staff@example.com", "anna.staff@example.com", "right one")
    for password in ("wrong one", "right one"):
        Visitor(REMOTE_ADDR=address).post(
            "/admin/login/", {"username": "anna.staff@example.com", "password": password}
        )
    call_command("expire_sessions", verbosity=0)
    call_command("cleanup_orphans", verbosity=0)
    return visitor


@pytest.mark.parametrize("address", ["203.0.113.77", "2001:db8:1:2:3:4:5:6"])
def test_t50_no_personal_value_outside_the_erasable_table(
    db: None, make_staff: Any, address: str
) -> None:
    visitor = broad_run(make_staff, address)
    assert {
        "session.created", "session.reset", "session.ended", "session.revoked", "session.refused",
        "upload.stored", "upload.rejected", "upload.quota_exceeded", "upload.deleted",
        "staff.signed_in", "staff.sign_in_failed", "cleanup.completed",
    } <= set(events())  # fmt: skip

    rows = [str(row) for row in AuditLog.objects.values_list()]
    assert [row for row in rows if EMAIL.search(row) or "anna." in row] == []
    assert [row for row in rows if address in row] == []
    # The same scan finds them in the other table, so it works.
    parts = " ".join(str(part.values()) for part in AuditPersonal.objects.all())
    assert address in parts
    assert set(EMAIL.findall(parts)) == {"anna.agent@example.com", "anna.file@example.com.pdf"}
    assert visitor.token not in " ".join(rows) + parts


def test_t50_no_token_in_any_audit_table(db: None, make_staff: Any) -> None:
    visitor = broad_run(make_staff, "203.0.113.77")
    said = []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("audit_app").get_models():
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            said += [str(value) for row in cursor.fetchall() for value in row]
    assert len(said) > 200
    assert [value for value in said if "mss1_" in value or visitor.token in value] == []
