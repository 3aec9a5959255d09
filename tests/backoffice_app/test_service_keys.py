"""Service keys in the admin: who may see, create and revoke them. The secret is shown once."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.credentials import hash_token
from sessions_app.models import ServiceKey
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.helpers import Service, code, database_text, events, made_key

ADD = list_of(ServiceKey, "add")
GOOD: dict[str, Any] = {"name": "maria-agent", "scopes": ["events", "uploads"], "days": "30"}
SECRET = re.compile(r"msk1_[A-Za-z0-9_-]{43}")


def made(superuser: Client, **fields: Any) -> str:
    """Create a key and return the secret that the next page shows."""
    page = superuser.post(ADD, {**GOOD, **fields}, follow=True)
    found = SECRET.search(page.content.decode())
    assert found, page.content.decode()
    return found[0]


@pytest.mark.both
def test_a_new_key_works_for_its_scopes_until_it_expires(superuser: Any) -> None:
    form_page = superuser.get(ADD).content.decode()
    assert inline_code(form_page) == []

    secret = made(superuser)

    key = ServiceKey.objects.get()
    assert (key.name, key.scopes, key.key_hash) == (
        "maria-agent", ["events", "uploads"], hash_token(secret),
    )  # fmt: skip
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    log = AuditLog.objects.get(event_type="service.key_created")
    assert (log.actor, log.target) == (f"staff:{superuser.user.pk}", "service:maria-agent")
    assert log.details == {"scopes": "events,uploads", "expires_at": key.expires_at.isoformat()}
    assert Service(secret).feed().status_code == 200
    assert code(Service(secret).introspect("x")) == "scope_missing"


def test_the_secret_is_shown_once_and_not_stored(
    superuser: Any,
    log_lines: io.StringIO,
) -> None:
    secret = made(superuser)
    assert Service(secret).feed().status_code == 200
    key = ServiceKey.objects.get()

    pages = [
        superuser.get(url).content.decode()
        for url in (list_of(ServiceKey), page_of(key), page_of(key, "history"), page_of(key, "revoke"))
    ]  # fmt: skip

    stored, logged = database_text(), log_lines.getvalue()
    assert key.key_hash in stored  # so the search would have found it
    assert key.key_hash in logged
    for text in (*pages, stored, logged):
        assert secret.removeprefix("msk1_") not in text
    assert not any(key.key_hash in page for page in pages)


WRONG: tuple[dict[str, Any], ...] = (
    {"name": ""}, {"name": "two words"}, {"name": "x" * 61}, {"name": "é"}, {"scopes": []},
    {"scopes": ["everything"]}, {"days": "0"}, {"days": "3651"}, {"days": "x"},
)  # fmt: skip


def test_invalid_values_show_the_form_again(superuser: Any) -> None:
    for wrong in WRONG:
        page = superuser.post(ADD, {**GOOD, **wrong})

        assert page.status_code == 200, wrong
        assert "errorlist" in page.content.decode(), wrong
    assert not ServiceKey.objects.exists()
    assert "service.key_created" not in events()


@pytest.mark.both
def test_a_name_is_unique(superuser: Any) -> None:
    made(superuser)

    assert superuser.post(ADD, GOOD).status_code == 200
    assert ServiceKey.objects.count() == 1


def key_events() -> list[str]:
    return [event for event in events() if event.startswith("service.")]


def test_t68_other_roles_cannot_see_create_or_revoke_keys(db: None, make_staff: Any) -> None:
    secret = made_key("events")
    key, before = ServiceKey.objects.get(), key_events()

    for staff in (make_staff(), make_staff("Support"), make_staff("Auditor")):
        for url in (list_of(ServiceKey), ADD, page_of(key), page_of(key, "revoke")):
            assert staff.get(url).status_code == 403, url
        assert staff.post(ADD, {**GOOD, "name": "mine"}).status_code == 403
        assert staff.post(page_of(key, "revoke")).status_code == 403
    assert Client().post(page_of(key, "revoke"))["Location"].startswith("/admin/login/")
    assert list(ServiceKey.objects.all()) == [key]
    assert key_events() == before
    assert Service(secret).feed().status_code == 200


def test_a_revoked_key_no_longer_works(superuser: Any) -> None:
    secret = made(superuser)
    key = ServiceKey.objects.get()
    revoke = page_of(key, "revoke")
    assert revoke in superuser.get(page_of(key)).content.decode()
    form_page = superuser.get(revoke)
    assert "This cannot be undone" in shown_text(form_page.content.decode())
    assert Service(secret).feed().status_code == 200  # asking changes nothing

    page = superuser.post(revoke, follow=True)

    assert "It no longer works" in shown_text(page.content.decode())
    assert revoke not in superuser.get(page_of(key)).content.decode()
    assert code(Service(secret).feed()) == "service_key_invalid"
    log = AuditLog.objects.get(event_type="service.key_revoked")
    assert (log.actor, log.target) == (f"staff:{superuser.user.pk}", "service:maria-agent")


def test_a_stale_page_revokes_a_key_only_once(superuser: Any) -> None:
    made(superuser)
    key = ServiceKey.objects.get()
    superuser.post(page_of(key, "revoke"))
    key.refresh_from_db()
    first = key.revoked_at

    page = superuser.post(page_of(key, "revoke"), follow=True)

    key.refresh_from_db()
    assert key.revoked_at == first
    assert "was already revoked" in shown_text(page.content.decode())
    assert events().count("service.key_revoked") == 1


def test_t07_a_foreign_page_cannot_revoke_a_key(superuser: Any) -> None:
    secret = made(superuser)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = superuser.cookies

    assert strict.post(page_of(ServiceKey.objects.get(), "revoke")).status_code == 403
    assert strict.post(ADD, {**GOOD, "name": "theirs"}).status_code == 403
    assert Service(secret).feed().status_code == 200


def test_an_unknown_key_is_404(superuser: Any) -> None:
    superuser.raise_request_exception = False
    for name in ("0", "99999", "x", "-1", "²", "%00", "9" * 30):
        url = f"/admin/sessions_app/servicekey/{name}/revoke/"

        assert superuser.get(url).status_code == 404, name
        assert superuser.post(url).status_code == 404, name


def test_t03_the_database_never_contains_a_shown_key(superuser: Any) -> None:
    """Nor a cookie, nor a cache: it is in the answer to the form alone."""
    answer = superuser.post(ADD, GOOD)
    (secret,) = SECRET.findall(shown_text(answer.content.decode()))
    assert "no-store" in answer["Cache-Control"]
    assert inline_code(answer.content.decode()) == []
    assert settings.MESSAGES_COOKIE_NAME not in superuser.cookies
    assert secret not in superuser.cookies.output()
    assert secret not in superuser.get(list_of(ServiceKey)).content.decode()
    assert secret not in database_text()


def test_a_key_can_be_neither_changed_nor_deleted(superuser: Any) -> None:
    made(superuser)
    before = list(ServiceKey.objects.values())
    key = ServiceKey.objects.get()
    superuser.post(page_of(key), {"name": "other", "scopes": ["uploads"], "days": 9})
    superuser.post(page_of(key, "delete"), {"post": "yes"})
    assert list(ServiceKey.objects.values()) == before


def test_t64_view_permission_cannot_create_or_revoke_keys(db: None, make_staff: Any) -> None:
    made_key("events")
    staff, key = make_staff(), ServiceKey.objects.get()
    staff.user.user_permissions.add(Permission.objects.get(codename="view_servicekey"))
    page = staff.get(page_of(key))
    assert page.status_code == 200
    assert "revoke/" not in page.content.decode()
    assert staff.post(ADD, {**GOOD, "name": "mine"}).status_code == 403
    assert staff.post(page_of(key, "revoke")).status_code == 403
    assert ServiceKey.objects.get().revoked_at is None
