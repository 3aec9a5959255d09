"""Each change of an account or group is one event with the field names, never the values."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client

from audit_app.models import AuditLog
from backoffice_app.accounts.first_staff import create_first_staff
from tests.backoffice_app.pages import list_of, page_of
from tests.helpers import at_once

PASSWORD, NEW = "correct horse battery", "a staple for the horse"
EMAIL = "anna@example.com"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def boss(make_staff: Any) -> Client:
    """A superuser's client."""
    client: Client = make_staff(is_superuser=True)
    return client


@pytest.fixture
def anna(db: None) -> User:
    """The account under test."""
    return User.objects.create_user("anna", email=EMAIL, password=PASSWORD, is_staff=True)


def recorded_changes() -> list[tuple[str, str, str]]:
    """Return account, change and fields of every recorded change; check that it has no value."""
    rows = AuditLog.objects.filter(event_type="staff.account_changed").order_by("id")
    for row in rows:
        assert EMAIL not in row.text
        assert "Anna Maria" not in row.text
        assert "md5" not in row.text
    return [
        (str(r.details["account"]), str(r.details["change"]), str(r.details["fields"]))
        for r in rows
    ]


def form_of(user: User, **changed: Any) -> dict[str, Any]:
    """Return the form data of an account."""
    flags = {
        name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)
    }
    form = {
        "username": user.username, "first_name": "", "last_name": "", "email": user.email,
        "groups": [], "user_permissions": [], **flags, **changed,
    }  # fmt: skip
    return {name: value for name, value in form.items() if value is not None}


@pytest.mark.both
def test_creating_an_account_is_one_event(boss: Client) -> None:
    fields = {"username": "new", "usable_password": "true", "password1": NEW, "password2": NEW}
    assert boss.post(list_of(User, "add"), fields).status_code == 302
    user = User.objects.get(username="new")
    assert recorded_changes() == [(f"staff:{user.pk}", "made", "password, username")]
    row = AuditLog.objects.get(event_type="staff.account_changed")
    assert row.actor == f"staff:{boss.user.pk}"  # type: ignore[attr-defined]


@pytest.mark.both
def test_changing_fields_groups_and_permissions_at_once_is_one_event(
    boss: Client, anna: User
) -> None:
    changed = form_of(
        anna,
        first_name="Anna Maria",
        email="other@example.com",
        is_superuser="on",
        groups=[Group.objects.get(name="Support").pk],
        user_permissions=[Permission.objects.get(codename="view_user").pk],
    )
    assert boss.post(page_of(anna), changed).status_code == 302
    assert recorded_changes() == [
        (
            f"staff:{anna.pk}",
            "changed",
            "email, first_name, groups, is_superuser, user_permissions",
        )
    ]
    anna.refresh_from_db()
    assert anna.is_superuser
    assert boss.post(page_of(anna), form_of(anna, is_active=None)).status_code == 302
    assert recorded_changes()[1][2] == "first_name, groups, is_active, user_permissions"


def test_saving_without_a_change_records_nothing(boss: Client, anna: User) -> None:
    assert boss.post(page_of(anna), form_of(anna)).status_code == 302
    assert boss.post(page_of(anna), form_of(anna, username="")).status_code == 200
    boss.get(page_of(anna))
    assert recorded_changes() == []


def test_deleting_an_account_is_one_event(boss: Client, anna: User) -> None:
    anna.groups.add(Group.objects.get(name="Support"))
    pk = anna.pk
    boss.get(page_of(anna, "delete"))
    assert recorded_changes() == []
    assert boss.post(page_of(anna, "delete"), {"post": "yes"}).status_code == 302
    assert recorded_changes() == [(f"staff:{pk}", "removed", "")]


def test_group_changes_are_recorded_by_name(boss: Client) -> None:
    view = Permission.objects.get(codename="view_user")
    boss.post(list_of(Group, "add"), {"name": "Night shift", "permissions": [view.pk]})
    group = Group.objects.get(name="Night shift")
    boss.post(page_of(group), {"name": "Night shift", "permissions": []})
    boss.post(page_of(group, "delete"), {"post": "yes"})
    assert recorded_changes() == [
        ("group:Night shift", "made", "name, permissions"),
        ("group:Night shift", "changed", "permissions"),
        ("group:Night shift", "removed", ""),
    ]


def test_a_new_password_by_a_superuser_is_one_event(boss: Client, anna: User) -> None:
    page = page_of(anna).replace("/change/", "/password/")
    fields = {"usable_password": "true", "password1": NEW, "password2": NEW}
    assert boss.post(page, {**fields, "set-password": "1"}).status_code == 302
    assert recorded_changes() == [(f"staff:{anna.pk}", "changed", "password")]


def test_a_superuser_disables_the_password_of_a_colleague(boss: Client, anna: User) -> None:
    page = page_of(anna).replace("/change/", "/password/")
    form = boss.get(page).content.decode().partition('id="no-password"')[0].rpartition("<form")[2]
    assert 'name="usable_password" value="false"' in form
    assert boss.post(page, {"usable_password": "false", "unset-password": "1"}).status_code == 302
    anna.refresh_from_db()
    assert not anna.has_usable_password()
    assert "Set password" in boss.get(page).content.decode()
    assert recorded_changes() == [(f"staff:{anna.pk}", "changed", "password")]


def test_an_own_new_password_is_one_event(anna: User) -> None:
    client = Client()
    client.force_login(anna)
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert (
        client.post("/admin/password_change/", {**fields, "old_password": "x"}).status_code == 200
    )
    assert recorded_changes() == []
    assert client.post("/admin/password_change/", fields).status_code == 302
    assert recorded_changes() == [(f"staff:{anna.pk}", "changed", "password")]


def test_signing_in_changes_no_account(anna: User) -> None:
    Client().post("/admin/login/", {"username": "anna", "password": PASSWORD})
    assert recorded_changes() == []


def test_bulk_deletion_is_not_offered(boss: Client, anna: User) -> None:
    for model in (User, Group):
        chosen = {"action": "delete_selected", "_selected_action": [anna.pk], "post": "yes"}
        boss.post(list_of(model), chosen)
    assert User.objects.filter(pk=anna.pk).exists()
    assert Group.objects.count() == 3


def test_commands_are_recorded(db: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    call_command("createsuperuser", username="root", email=EMAIL, interactive=False, **quiet)
    user = User.objects.get(username="root")
    monkeypatch.setattr("getpass.getpass", lambda **_: NEW)
    call_command("changepassword", "root", **quiet)
    made = "email, is_staff, is_superuser, password, username"
    assert recorded_changes() == [
        (f"staff:{user.pk}", "made", made),
        (f"staff:{user.pk}", "changed", "password"),
    ]
    actors = AuditLog.objects.values_list("actor", flat=True)
    assert all(actor.startswith("operator:") for actor in actors)


def test_a_failed_command_records_nothing(db: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    User.objects.create_user("root")
    with pytest.raises(CommandError):
        call_command("createsuperuser", username="root", email="", interactive=False)
    assert recorded_changes() == []


def test_the_first_account_of_an_installation_is_recorded(db: None) -> None:
    login = create_first_staff("", "")
    assert login is not None
    (row,) = AuditLog.objects.all()
    assert row.actor.startswith("operator:")
    assert login.password not in row.text
    assert create_first_staff("", "") is None
    assert len(recorded_changes()) == 1


@pytest.mark.both
def test_hosts_that_start_at_once_create_one_first_account(committed: None, settings: Any) -> None:
    # Slow, so that both have found no account before one of them creates it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]

    def create(_: int) -> str:
        try:
            return "created" if create_first_staff("", "") else "there"
        except IntegrityError as error:
            return str(error)

    assert sorted(at_once(2, create)) == ["created", "there"]
    assert len(recorded_changes()) == 1


def test_if_the_event_fails_the_change_is_rolled_back(
    boss: Client, anna: User, monkeypatch: Any
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no log")

    monkeypatch.setattr("backoffice_app.accounts.changes.record", fails)
    with pytest.raises(RuntimeError):
        boss.post(page_of(anna), form_of(anna, is_superuser="on"))
    monkeypatch.setattr("getpass.getpass", lambda **_: NEW)
    with pytest.raises(RuntimeError):
        call_command("changepassword", "anna", stdout=io.StringIO())
    anna.refresh_from_db()
    assert not anna.is_superuser
    assert anna.check_password(PASSWORD)
