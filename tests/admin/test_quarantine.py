"""The quarantine in the admin: what lies there, why, and giving it back."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from audit_app.models import AuditLog
from tests.admin.pages import inline_code, list_of, page_of, shown_text
from tests.helpers import Visitor, plant, store_root, uploaded
from uploads_app.models import QuarantinedObject, QuarantineStatus, object_key

BODY = b"%PDF-1.4 nobody knows me"


@pytest.fixture
def stray(visitor: Visitor) -> QuarantinedObject:
    """An object that no row explains, put aside by a cleanup run."""
    uploaded(visitor)
    plant(object_key(uuid.UUID(visitor.uuid), uuid.uuid4(), "pdf"), BODY, timedelta(hours=1))
    call_command("cleanup_orphans", verbosity=0)
    return QuarantinedObject.objects.get()


def choose(staff: Client, stray: QuarantinedObject, **more: str) -> Any:
    data = {"action": "give_back", "_selected_action": str(stray.pk), **more}
    return staff.post(list_of(QuarantinedObject), data, follow=True)


def test_it_says_why_an_object_lies_there(stray: QuarantinedObject, make_staff: Any) -> None:
    page = make_staff("Support").get(page_of(stray)).content.decode()
    shown = shown_text(page)
    assert stray.key in shown
    assert "No row explained the object: it was put aside, and can be restored." in shown
    assert "event: at" in shown
    assert "object.quarantined" in shown
    assert inline_code(page) == []


def test_it_asks_before_it_gives_back(stray: QuarantinedObject, make_staff: Any) -> None:
    staff = make_staff(is_superuser=True)
    page = choose(staff, stray).content.decode()
    assert f"{stray.key} (24\xa0bytes, Quarantined)" in shown_text(page).replace(
        " bytes", "\xa0bytes"
    )
    assert inline_code(page) == []
    stray.refresh_from_db()
    assert stray.status == QuarantineStatus.QUARANTINED
    assert not (store_root() / stray.key).exists()


def test_what_is_given_back_is_the_same_and_stays(
    stray: QuarantinedObject, make_staff: Any
) -> None:
    staff = make_staff(is_superuser=True)

    page = choose(staff, stray, agreed="yes").content.decode()

    assert f"Given back: {stray.key}. The cleanup leaves it alone." in shown_text(page)
    body = (store_root() / stray.key).read_bytes()
    assert hashlib.sha256(body).digest() == hashlib.sha256(BODY).digest()
    log = AuditLog.objects.get(event_type="object.restored")
    assert (log.target, log.actor) == (stray.key, f"staff:{staff.user.pk}")
    call_command("cleanup_orphans", verbosity=0)
    assert (store_root() / stray.key).exists()

    page = choose(staff, stray, agreed="yes").content.decode()
    assert "It is not in quarantine (any more)." in shown_text(page)
    assert AuditLog.objects.filter(event_type="object.restored").count() == 1


@pytest.mark.parametrize("group", ["Support", "Auditor"])
def test_who_may_only_look_cannot_give_back(
    stray: QuarantinedObject, make_staff: Any, group: str
) -> None:
    staff = make_staff(group)
    assert "give_back" not in staff.get(list_of(QuarantinedObject)).content.decode()
    choose(staff, stray, agreed="yes")
    stray.refresh_from_db()
    assert stray.status == QuarantineStatus.QUARANTINED
    assert not AuditLog.objects.filter(event_type="object.restored").exists()
