"""Permissions in the admin: a table, compared with the response of every page."""

import base64
import pickle
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django_q.models import Failure, OrmQ, Schedule

from audit_app import triggers
from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.models import AuditLog
from sessions_app.models import ServiceKey
from tests.backoffice_app.matrix import client_of
from tests.backoffice_app.pages import (
    READ_ONLY,
    everything,
    list_of,
    one_of_each,
    page_of,
    registered,
)
from tests.databases import lift_triggers
from tests.helpers import events

GRANTED = {
    "Support": {
        "audit_app.view_auditlog",
        "audit_app.view_auditpersonal",
        "sessions_app.view_usersession",
        "sessions_app.revoke_usersession",
        "sessions_app.recover_usersession",
        "sessions_app.extend_usersession",
        "sessions_app.export_usersession",
        "sessions_app.erase_usersession",
        "uploads_app.view_uploadedfile",
        "uploads_app.download_uploadedfile",
        "uploads_app.restore_uploadedfile",
        "uploads_app.view_quarantinedobject",
        "uploads_app.quarantine_uploadedfile",
        "uploads_app.view_cleanuprun",
        "uploads_app.preview_cleanup",
        "django_q.view_schedule",
    },
    "Auditor": {
        "audit_app.export_auditlog",
        "audit_app.view_auditlog",
        "sessions_app.view_usersession",
        "uploads_app.view_uploadedfile",
        "uploads_app.view_quarantinedobject",
        "uploads_app.view_cleanuprun",
        "django_q.view_schedule",
    },
    "Operator": {
        "uploads_app.view_cleanuprun",
        "uploads_app.preview_cleanup",
        "uploads_app.run_cleanup",
        "uploads_app.view_quarantinedobject",
        "uploads_app.restore_quarantinedobject",
        "django_q.view_schedule",
    },
}


def granted() -> dict[str, set[str]]:
    """Return each group's permissions."""
    return {
        group.name: {
            f"{p.content_type.app_label}.{p.codename}"
            for p in group.permissions.select_related("content_type")
        }
        for group in Group.objects.all()
    }


def may_view(role: str, model: type[Model]) -> bool:
    """Say what the table says."""
    if role == "superuser":
        return True
    view = f"{model._meta.app_label}.view_{model._meta.model_name}"
    return view in GRANTED.get(role, ())


def may_add(role: str, model: type[Model]) -> bool:
    """Say what the table says: of all that is shown, only service keys are made in the admin."""
    return role == "superuser" and model is ServiceKey


@pytest.mark.both
def test_t64_the_groups_have_exactly_their_permissions(db: None) -> None:
    assert granted() == GRANTED


@pytest.mark.both
def test_t64_migrating_again_changes_nothing(db: None) -> None:
    call_command("migrate", verbosity=0)
    assert granted() == GRANTED


def test_t64_permissions_granted_by_hand_stay(db: None) -> None:
    extra = Permission.objects.get(codename="view_user")
    Group.objects.get(name="Auditor").permissions.add(extra)
    call_command("migrate", verbosity=0)
    assert granted()["Auditor"] == {*GRANTED["Auditor"], "auth.view_user"}


@pytest.mark.both
def test_t64_after_a_flush_the_groups_are_back(committed: None) -> None:
    lift_triggers()
    Group.objects.all().delete()
    call_command("flush", interactive=False, verbosity=0)
    assert granted() == GRANTED
    assert triggers.missing("default") == []


def test_t64_the_table_has_every_registered_model() -> None:
    assert set(registered()) == {*READ_ONLY, User, Group}


def everything_but_the_log() -> dict[str, list[str]]:
    rows = everything()
    del rows[AuditLog._meta.label]
    return rows


_OF_DJANGO_Q = ("resubmit_task", "retry_failed")


# Who is let in where stands in the matrix; here, that nothing changes by trying.
@pytest.mark.parametrize(
    "role", ["anonymous", pytest.param("Support", marks=pytest.mark.both), "superuser"]
)
def test_t64_each_page_answers_as_the_table_says(db: None, make_staff: Any, role: str) -> None:
    rows = one_of_each()
    client = client_of(role, make_staff)
    signed_in = role not in ("anonymous", "visitor")
    before, result = everything_but_the_log(), events()
    for row in rows:
        model = type(row)
        view = 200 if may_view(role, model) else 403
        pages = {
            list_of(model): view,
            page_of(row): view,
            page_of(row, "history"): view,
            list_of(model, "add"): 200 if may_add(role, model) else 403,
            page_of(row, "delete"): 403,
        }
        for url, status in pages.items():
            expected = status if signed_in else 302
            assert client.get(url).status_code == expected, url
        for url, data in [
            (list_of(model, "add"), {"name": "x"}),
            (page_of(row), {"name": "x", "status": "active", "_save": "Save"}),
            (page_of(row, "delete"), {"post": "yes"}),
        ]:
            prompted_again = url == list_of(model, "add") and may_add(role, model)
            refused = 200 if prompted_again else 403
            assert client.post(url, data).status_code == (refused if signed_in else 302), url
        for name in ("delete_selected", *(_OF_DJANGO_Q if model is Failure else ())):
            action: dict[str, Any] = {
                "action": name,
                "_selected_action": [str(row.pk)],
                "post": "yes",
                "index": "0",
            }
            answer = client.post(list_of(model), action)
            assert answer.status_code in (200, 302) if view == 200 else (302, 403)
    assert everything_but_the_log() == before
    assert set(events()[len(result) :]) <= {"staff.permission_denied", "staff.session_viewed"}
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("role", ["staff", "Support", "Auditor", "Operator"])
def test_t64_accounts_and_groups_are_for_superusers(db: None, make_staff: Any, role: str) -> None:
    client = client_of(role, make_staff)
    for model in (User, Group):
        assert client.get(list_of(model)).status_code == 403
        assert client.post(list_of(model, "add"), {"name": "x"}).status_code == 403
    user = User.objects.get()
    answer = client.post(page_of(user), {"username": user.username, "is_superuser": "on"})
    assert answer.status_code == 403
    assert not User.objects.filter(is_superuser=True).exists()


def test_t64_the_index_lists_only_permitted_models(db: None, make_staff: Any) -> None:
    for role in ("staff", "Support", "Auditor", "Operator", "superuser"):
        page = client_of(role, make_staff).get("/admin/")
        assert page.status_code == 200
        html = page.content.decode()
        for model in READ_ONLY:
            assert (f'"{list_of(model)}"' in html) == may_view(role, model), (role, model)


def test_t65_django_qs_own_pages_are_removed(db: None, make_staff: Any) -> None:
    theirs = [a for a in admin.site._registry.values() if type(a).__module__.startswith("django_q")]
    assert theirs == []
    superuser = client_of("superuser", make_staff)
    for name in ("success", "ormq", "task"):
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:django_q_{name}_changelist")
        assert superuser.get(f"/admin/django_q/{name}/").status_code == 404
    # Our own pages offer no action.
    for model in (Failure, Schedule):
        assert isinstance(admin.site._registry[model], ReadOnlyAdmin)


class Executed:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self.proof,)


def test_t65_viewing_a_failed_task_unpickles_nothing(
    db: None, make_staff: Any, tmp_path: Path
) -> None:
    failure = one_of_each()[-1]
    proof = tmp_path / "executed"
    bad = base64.b64encode(pickle.dumps(Executed(proof))).decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET args = %s, kwargs = %s, result = %s", [bad] * 3)
    superuser = client_of("superuser", make_staff)
    for url in (
        list_of(Failure),
        f"{list_of(Failure)}?q=x",
        page_of(failure),
        page_of(failure, "history"),
    ):
        assert superuser.get(url).status_code == 200
    assert superuser.get("/health/ready").status_code == 200
    assert not proof.exists()
    # Loading it does create the file, so the pages did not load it.
    Failure.objects.get()
    assert proof.exists()
