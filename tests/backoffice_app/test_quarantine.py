"""The trash in the admin: its objects, the reasons, and restoring."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from audit_app.models import AuditLog
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.deliveries import deliver_now
from tests.helpers import Visitor, plant, store_root, uploaded
from uploads_app.admin.trash import MOST_AT_ONCE
from uploads_app.models import QuarantinedObject, TrashStatus
from uploads_app.storage.keys import object_key, quarantine_key

BODY = b"%PDF-1.4 nobody knows me"
GIVE_BACK = list_of(QuarantinedObject, "give_back")


@pytest.fixture
def orphan(visitor: Visitor) -> QuarantinedObject:
    """An orphan that a cleanup run has moved to the trash."""
    uploaded(visitor)
    plant(object_key(uuid.UUID(visitor.uuid), uuid.uuid4(), "pdf"), BODY, timedelta(hours=1))
    call_command("cleanup_orphans", verbosity=0)
    return QuarantinedObject.objects.get()


def choose(staff: Client, *trash_items: QuarantinedObject, **more: str) -> Any:
    """Select objects on the list and choose the action."""
    chosen = [str(orphan.pk) for orphan in trash_items]
    data = {"action": "give_back", "_selected_action": chosen, **more}
    return staff.post(list_of(QuarantinedObject), data, follow=True)


def agree(staff: Client, page: Any, **typed: str) -> Any:
    """Confirm the page that follows."""
    chosen = " ".join(str(orphan.pk) for orphan in page.context["trash_items"])
    return staff.post(GIVE_BACK, {"chosen": chosen, **typed}, follow=True)


def trashed_objects(count: int) -> list[QuarantinedObject]:
    """Create `count` objects in the trash, each with a row and bytes."""
    keys = [object_key(uuid.uuid4(), uuid.uuid4(), "pdf") for _ in range(count)]
    for key in keys:
        plant(quarantine_key(key), BODY)
    trash_items = [
        QuarantinedObject(
            key=key, size=len(BODY), modified_at=timezone.now(), status=TrashStatus.QUARANTINED
        )
        for key in keys
    ]
    return QuarantinedObject.objects.bulk_create(trash_items)


def given_back() -> int:
    """Return the number of events; check that each object has one."""
    logs = AuditLog.objects.filter(event_type="object.restored")
    restored = QuarantinedObject.objects.filter(status=TrashStatus.RESTORED)
    assert sorted(logs.values_list("target", flat=True)) == sorted(
        restored.values_list("key", flat=True)
    )
    return logs.count()


@pytest.mark.both
def test_the_page_says_why_an_object_is_in_the_trash(
    orphan: QuarantinedObject, make_staff: Any
) -> None:
    page = make_staff("Support").get(page_of(orphan)).content.decode()
    shown = shown_text(page)
    assert orphan.key in shown
    assert "The object had no row. It is in the trash and can be restored." in shown
    assert "event: at" in shown
    assert "object.quarantined" in shown
    assert inline_code(page) == []


def test_restoring_must_be_confirmed(orphan: QuarantinedObject, make_staff: Any) -> None:
    staff = make_staff(is_superuser=True)
    page = choose(staff, orphan).content.decode()
    assert f"{orphan.key} (24\xa0bytes, in the trash)" in shown_text(page).replace(
        " bytes", "\xa0bytes"
    )
    assert inline_code(page) == []
    orphan.refresh_from_db()
    assert orphan.status == TrashStatus.QUARANTINED
    assert not (store_root() / orphan.key).exists()


def test_a_restored_object_is_unchanged_and_stays(
    orphan: QuarantinedObject, make_staff: Any
) -> None:
    staff = make_staff(is_superuser=True)

    page = agree(staff, choose(staff, orphan)).content.decode()

    assert f"Restored: {orphan.key}. The cleanup will ignore it." in shown_text(page)
    body = (store_root() / orphan.key).read_bytes()
    assert hashlib.sha256(body).digest() == hashlib.sha256(BODY).digest()
    log = AuditLog.objects.get(event_type="object.restored")
    assert (log.target, log.actor) == (orphan.key, f"staff:{staff.user.pk}")
    call_command("cleanup_orphans", verbosity=0)
    assert (store_root() / orphan.key).exists()

    page = agree(staff, choose(staff, orphan)).content.decode()
    assert "It is not in the trash." in shown_text(page)
    assert AuditLog.objects.filter(event_type="object.restored").count() == 1


@pytest.mark.parametrize("group", ["Support", "Auditor"])
def test_view_permission_cannot_restore(
    orphan: QuarantinedObject, make_staff: Any, group: str
) -> None:
    staff = make_staff(group)
    assert "give_back" not in staff.get(list_of(QuarantinedObject)).content.decode()
    choose(staff, orphan)
    assert staff.post(GIVE_BACK, {"chosen": str(orphan.pk)}).status_code == 403
    orphan.refresh_from_db()
    assert orphan.status == TrashStatus.QUARANTINED
    assert not AuditLog.objects.filter(event_type="object.restored").exists()


def test_t69_more_than_the_limit_are_all_refused(db: None, make_staff: Any) -> None:
    first = trashed_objects(1)
    QuarantinedObject.objects.bulk_create(
        QuarantinedObject(
            key=f"{number}", size=1, modified_at=timezone.now(), status=TrashStatus.QUARANTINED
        )
        for number in range(MOST_AT_ONCE)
    )
    operator = make_staff("Operator")
    page = shown_text(choose(operator, *first, select_across="1").content.decode())
    assert "Nothing was done: select the rows one by one, page by page." in page
    assert not QuarantinedObject.objects.exclude(status=TrashStatus.QUARANTINED).exists()
    assert (given_back(), OrmQ.objects.count()) == (0, 0)


@pytest.mark.parametrize("count", [20, 21])
def test_t69_many_objects_are_confirmed_by_typing_their_number(
    committed: None, make_staff: Any, count: int
) -> None:
    operator = make_staff("Operator")
    form_page = choose(operator, *trashed_objects(count))
    is_many = count > 20
    assert (
        f"type the number of objects, {count}" in shown_text(form_page.content.decode())
    ) == is_many
    assert inline_code(form_page.content.decode()) == []
    if is_many:
        for typed in ("", "20", "yes"):
            again = shown_text(agree(operator, form_page, typed=typed).content.decode())
            assert "Nothing was done. Type" in again
        assert (given_back(), OrmQ.objects.count()) == (0, 0)

    page = shown_text(agree(operator, form_page, typed=str(count)).content.decode())
    if is_many:
        assert f"Queued: {count} objects." in page
        assert given_back() == 0
        deliver_now()
    assert given_back() == count
    assert QuarantinedObject.objects.filter(status=TrashStatus.RESTORED).count() == count
    staff_member = f"staff:{operator.user.pk}"
    actors = AuditLog.objects.filter(event_type="object.restored").values_list("actor", flat=True)
    assert set(actors) == {staff_member}


def test_a_failing_store_is_not_called_for_each_object(db: None, make_staff: Any) -> None:
    trash_items = trashed_objects(3)
    (store_root() / "uploads").write_text("in the way")
    operator = make_staff("Operator")
    page = shown_text(agree(operator, choose(operator, *trash_items)).content.decode())
    assert page.count("The store does not answer. The next cleanup run tries again.") == 1
    assert "2 more were not restored, because the store failed." in page
    assert given_back() == 0
