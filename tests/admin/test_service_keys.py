"""Service keys in the admin: made and shown once, listed, taken back after a question."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.credentials import hash_token
from sessions_app.models import ServiceKey
from tests.admin.pages import list_of, page_of, shown_text
from tests.helpers import events
from tests.security.test_token import database_text
from tests.sessions_app.service_support import Service, make_key

ADD = list_of(ServiceKey, "add")


@pytest.fixture
def boss(make_staff: Any) -> Client:
    client: Client = make_staff(is_superuser=True)
    return client


def add(staff: Client, **values: Any) -> Any:
    """Post the form for a new key and follow to the page that shows it."""
    form = {"name": "maria-agent", "scopes": ["sessions", "events"], "days": 30, **values}
    return staff.post(ADD, form, follow=True)


def test_a_new_key_is_shown_once_and_works(boss: Client) -> None:
    page = shown_text(add(boss).content.decode())

    (secret,) = re.findall(r"msk1_[\w-]{43}", page)
    key = ServiceKey.objects.get()
    assert (key.name, key.scopes, key.key_hash) == (
        "maria-agent",
        ["sessions", "events"],
        hash_token(secret),
    )
    left = key.expires_at - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert Service(secret).feed().status_code == 200
    log = AuditLog.objects.get(event_type="service.key_created")
    assert (log.actor, log.target) == (f"staff:{boss.user.pk}", "service:maria-agent")  # type: ignore[attr-defined]
    for again in (list_of(ServiceKey), page_of(key), "/admin/"):
        assert secret not in boss.get(again).content.decode()


def test_t03_the_database_never_holds_a_key_that_the_admin_shows(boss: Client) -> None:
    """Not even in the staff member's own log-in, where Django puts messages that pile up."""
    for number in range(60):
        answer = boss.post(ADD, {"name": f"key-{number}", "scopes": ["events"], "days": 1})
        assert answer.status_code == 302
    for session in Session.objects.all():
        assert "_messages" not in session.get_decoded()
    shown = shown_text(boss.get(list_of(ServiceKey)).content.decode())
    secrets = set(re.findall(r"msk1_[\w-]{43}", shown))
    assert secrets  # the latest; a browser's cookie holds no more
    assert not any(secret in database_text() for secret in secrets)


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""}, {"name": "maria agent"}, {"name": "x" * 61}, {"name": "taken"},
        {"scopes": []}, {"scopes": ["everything"]}, {"days": 0}, {"days": -1}, {"days": 3651},
        {"days": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_form_that_makes_no_key_says_why(boss: Client, values: dict[str, Any]) -> None:
    make_key("taken")
    before, written = list(ServiceKey.objects.values()), events()

    page = add(boss, **values)

    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert (list(ServiceKey.objects.values()), events()) == (before, written)


def test_taking_a_key_back_asks_first(boss: Client) -> None:
    agent = Service(make_key()[0])
    key = ServiceKey.objects.get()
    assert "Revoke" in boss.get(page_of(key)).content.decode()
    assert boss.get(page_of(key, "revoke")).status_code == 200
    assert agent.feed().status_code == 200

    page = boss.post(page_of(key, "revoke"), follow=True)

    assert "opens nothing any more" in shown_text(page.content.decode())
    assert agent.feed().status_code == 401
    log = AuditLog.objects.get(event_type="service.key_revoked")
    assert (log.actor, log.target) == (f"staff:{boss.user.pk}", "service:maria-agent")  # type: ignore[attr-defined]
    boss.post(page_of(key, "revoke"))
    assert events().count("service.key_revoked") == 1


def test_a_key_can_be_neither_changed_nor_deleted(boss: Client) -> None:
    make_key()
    before = list(ServiceKey.objects.values())
    key = ServiceKey.objects.get()
    boss.post(page_of(key), {"name": "other", "scopes": ["uploads"], "days": 9})
    boss.post(page_of(key, "delete"), {"post": "yes"})
    assert list(ServiceKey.objects.values()) == before


@pytest.mark.parametrize("group", ["Support", "Auditor", ""])
def test_t64_the_staff_groups_have_no_part_in_keys(make_staff: Any, group: str) -> None:
    staff = make_staff(group)
    agent = Service(make_key()[0])
    key = ServiceKey.objects.get()
    for address in (list_of(ServiceKey), ADD, page_of(key), page_of(key, "revoke")):
        assert staff.get(address).status_code == 403
    assert add(staff, name="mine").status_code == 403
    assert staff.post(page_of(key, "revoke")).status_code == 403
    assert agent.feed().status_code == 200
    assert ServiceKey.objects.count() == 1


def test_t64_who_may_only_view_keys_neither_makes_nor_revokes_one(make_staff: Any) -> None:
    staff = make_staff()
    staff.user.user_permissions.add(Permission.objects.get(codename="view_servicekey"))
    make_key()
    key = ServiceKey.objects.get()
    page = staff.get(page_of(key))
    assert page.status_code == 200
    assert "revoke/" not in page.content.decode()
    assert add(staff, name="mine").status_code == 403
    assert staff.post(page_of(key, "revoke")).status_code == 403
    assert ServiceKey.objects.get().revoked_at is None


@pytest.mark.parametrize("name", ["0", "x", "..", "٣", "9" * 30])
def test_an_unknown_key_is_404(boss: Client, name: str) -> None:
    make_key()
    boss.raise_request_exception = False
    assert boss.post(f"/admin/sessions_app/servicekey/{name}/revoke/").status_code == 404


def test_t07_a_foreign_page_cannot_make_or_revoke_a_key(boss: Client) -> None:
    make_key()
    key = ServiceKey.objects.get()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = boss.cookies
    assert add(strict, name="mine").status_code == 403
    assert strict.post(page_of(key, "revoke")).status_code == 403
    assert ServiceKey.objects.get().revoked_at is None
