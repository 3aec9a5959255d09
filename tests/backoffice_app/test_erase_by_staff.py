"""Erasing a session as staff: confirmation, effects, event, and only once."""

from itertools import product
from typing import Any

import pytest
from django.test import Client

from audit_app.models import AuditLog, AuditPersonal
from sessions_app import tasks
from sessions_app.models import SessionStatus
from tests.backoffice_app.matrix import ROLES, client_of
from tests.backoffice_app.pages import everything, page_of, shown_text
from tests.backoffice_app.people import seen
from tests.helpers import Visitor, code, events, store_root, stored_keys, uploaded
from tests.sessions_app.people import ANNA, identify
from tests.sessions_app.support import end_as, rival
from uploads_app.models import UploadedFile


def post(staff: Client, visitor: Visitor, **values: str) -> Any:
    """Erase a visitor's session and return the page that follows."""
    return staff.post(
        page_of(visitor.row, "erase"), {"reason": "asked by letter"} | values, follow=True
    )


@pytest.mark.both
def test_it_deletes_what_the_visitors_own_erasure_deletes_and_records_who_and_why(
    visitor: Visitor, support: Any
) -> None:
    identify(visitor, **ANNA)
    upload = uploaded(visitor, name="secret.pdf")
    assert "Erase…" in support.get(page_of(visitor.row)).content.decode()
    before = events(visitor.uuid)

    page = post(support, visitor)

    assert "is erased" in shown_text(page.content.decode())
    row = visitor.row
    assert (row.status, row.name, row.email) == ("erased", "", "")
    assert row.erased_at is not None
    assert stored_keys() == set()
    assert UploadedFile.objects.get(pk=upload.pk).name == ""
    assert not AuditPersonal.objects.filter(log__actor="visitor").exists()
    assert code(visitor.current()) == "session_invalid"
    added = events(visitor.uuid)[len(before) :]
    assert added == [
        "session.erasure_requested", "upload.deleted", "session.erased",
    ]  # fmt: skip
    requested = AuditLog.objects.get(event_type="session.erasure_requested")
    assert requested.actor == f"staff:{support.user.pk}"
    assert requested.details == {"reason": "asked by letter"}


def test_the_page_lists_what_is_deleted_and_what_stays(visitor: Visitor, support: Client) -> None:
    uploaded(visitor, name="secret.pdf")
    text = shown_text(support.get(page_of(visitor.row, "erase")).content.decode())
    assert "stored files: 1 (" in text
    for thing in ("name, e-mail address, consent and codes", "the audit rows", "backups"):
        assert thing in text
    assert "secret.pdf" not in text


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_a_session_in_any_state_can_be_erased(
    visitor: Visitor, make_staff: Any, support: Client, how: str
) -> None:
    uploaded(visitor)
    session = visitor.row
    end_as(how, visitor, make_staff)
    support.post(page_of(session, "erase"), {"reason": "asked by letter"})
    session.refresh_from_db()
    assert session.status == SessionStatus.ERASED
    assert stored_keys() == set()


def test_t68_erasing_twice_is_one_erasure(visitor: Visitor, support: Client) -> None:
    post(support, visitor)
    page = post(support, visitor)
    assert "already erased" in shown_text(page.content.decode())
    assert "Erase…" not in support.get(page_of(visitor.row)).content.decode()
    assert [
        events(visitor.uuid).count(f"session.{name}") for name in ("erasure_requested", "erased")
    ] == [1, 1]


@pytest.mark.both
def test_t68_of_two_staff_at_once_one_erases(
    visitor: Visitor, make_staff: Any, support: Client
) -> None:
    colleague = make_staff("Support")
    with rival(lambda: post(colleague, visitor)):
        page = post(support, visitor)
    assert "already erased" in shown_text(page.content.decode())
    requested = AuditLog.objects.get(event_type="session.erasure_requested")
    assert requested.actor == f"staff:{colleague.user.pk}"


def test_a_changed_session_must_be_confirmed_again(visitor: Visitor, support: Client) -> None:
    before = seen(support.get(page_of(visitor.row, "erase")))
    visitor.end()
    page = post(support, visitor, seen=before)
    assert "Nothing was done" in shown_text(page.content.decode())
    assert visitor.row.status == "ended"
    post(support, visitor, seen=seen(page))
    assert visitor.row.status == "erased"


def test_without_a_reason_nothing_is_erased(visitor: Visitor, support: Client) -> None:
    for reason in ("", "  ", "x" * 201):
        page = post(support, visitor, reason=reason)
        assert page.status_code == 200
        assert visitor.row.status == "active"


def test_t68_without_permission_no_page_and_no_action(visitor: Visitor, make_staff: Any) -> None:
    identify(visitor, **ANNA)
    clients = {role: client_of(role, make_staff) for role in ROLES}
    refused = set(ROLES) - {"Support", "superuser"}
    values = {"reason": "x", "file_format": "zip", "code": visitor.row.support_code}
    before = everything()
    for role, action in product(
        refused, ("erase", "export", "erase_person", "export_person", "reveal_person")
    ):
        url = page_of(visitor.row, action)
        expected = 302 if role in ("anonymous", "visitor") else 403
        assert clients[role].get(url).status_code == expected, (role, action)
        assert clients[role].post(url, values).status_code == expected, (role, action)
    assert everything() == before


def test_t68_an_unknown_session_is_404(support: Client) -> None:
    for name, page in product(
        ("7", "nonsense", "00000000-0000-4000-8000-000000000000"),
        ("erase", "export", "person", "certificate", "erase_person"),
    ):
        url = f"/admin/sessions_app/usersession/{name}/{page}/"
        assert support.get(url).status_code == 404, url


def test_after_a_store_failure_the_sweep_finishes_and_the_certificate_says_so(
    visitor: Visitor, support: Client
) -> None:
    upload = uploaded(visitor)
    away = store_root().parent / "away"
    store_root().rename(away)
    store_root().write_text("the store is gone, and something else is in its place")

    post(support, visitor)

    text = shown_text(support.get(page_of(visitor.row, "certificate")).content.decode())
    assert "Not finished yet for 1 of 1 session" in text
    store_root().unlink()
    away.rename(store_root())
    assert tasks.forget_visitors() == 1
    text = shown_text(support.get(page_of(visitor.row, "certificate")).content.decode())
    assert "Finished: all personal data and all files of 1 session" in text
    assert f" 1 {upload.size} 0 " in text
