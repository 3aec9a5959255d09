"""All verified sessions of a person erased by staff, from the typed code to the certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from audit_app.models import AuditLog
from backoffice_app.person import actions as person_actions
from backoffice_app.person import sessions as person_sessions
from sessions_app.services import privacy
from tests.backoffice_app.pages import page_of, shown_text
from tests.backoffice_app.people import EMAIL, claimed, erase_person, proven_by_code, seen, verified
from tests.helpers import Visitor, events, started, stored_keys, uploaded
from tests.sessions_app.support import rival


def states(*visitors: Visitor) -> list[str]:
    return [visitor.row.status for visitor in visitors]


def requested_events() -> list[str]:
    """Return what was written down of erasures, in the order of writing."""
    kinds = ("person.erasure_requested", "session.erasure_requested", "session.erased")
    return [event for event in events() if event in kinds]


@pytest.mark.both
def test_it_erases_what_is_verified_and_never_a_claim(support: Any) -> None:
    one, two, claim = proven_by_code(), verified("ANNA@example.com"), claimed()
    anonymous, stranger = started(), verified("berta@example.com")
    sizes = [uploaded(one).size, uploaded(two).size, uploaded(two).size]
    theirs = uploaded(claim)

    page = erase_person(support, one.row)

    assert states(one, two, claim, anonymous, stranger) == [
        "erased", "erased", "active", "active", "active",
    ]  # fmt: skip
    assert stored_keys() == {theirs.key}
    assert claim.row.email == EMAIL
    assert requested_events() == [
        "person.erasure_requested",
        *["session.erasure_requested"] * 2,
        *["session.erased"] * 2,
    ]
    log = AuditLog.objects.get(event_type="person.erasure_requested")
    assert (str(log.session_uuid), log.actor) == (one.uuid, f"staff:{support.user.pk}")
    assert log.details == {"reason": "asked by letter", "sessions": 2}
    assert page.redirect_chain[-1][0] == page_of(one.row, "certificate")
    text = shown_text(page.content.decode())
    assert "2 sessions were erased just now" in text
    assert f" 1 {sizes[0]} 0 " in text
    assert f" 2 {sizes[1] + sizes[2]} 0 " in text


def test_the_certificate_is_there_later_from_each_session_and_names_no_one(
    support: Client, make_staff: Any
) -> None:
    one, two = proven_by_code(name="Anna Bell"), verified()
    uploaded(two, name="secret.pdf")
    other = verified("berta@example.com")
    erase_person(support, one.row)
    erase_person(support, other.row)
    auditor = make_staff("Auditor")
    for visitor in (one, two):
        html = auditor.get(page_of(visitor.row)).content.decode()
        assert f'href="{page_of(visitor.row, "certificate")}"' in html
        text = shown_text(auditor.get(page_of(visitor.row, "certificate")).content.decode())
        assert one.row.support_code in text
        assert two.row.support_code in text
        assert other.row.support_code not in text
        assert "support staff" in text
        for value in (EMAIL, "Anna", "secret", "asked by letter"):
            assert value not in text


def test_a_visitors_own_erasure_has_a_certificate_too(visitor: Visitor, support: Client) -> None:
    assert support.get(page_of(visitor.row, "certificate")).status_code == 404
    visitor.erase()
    text = shown_text(support.get(page_of(visitor.row, "certificate")).content.decode())
    assert f"{visitor.row.support_code} the visitor" in text


def test_t14_a_visitor_who_knows_the_request_id_gets_onto_no_certificate(
    support: Client, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = 1  # whose request ids are taken over
    victim, stranger = verified(), started()
    erase_person(support, victim.row)
    log = AuditLog.objects.get(event_type="session.erasure_requested")
    stranger.delete(
        "/api/v1/sessions/current/?erase=true",
        headers={"X-Session-UUID": stranger.uuid, "X-Request-ID": log.request_id},
    )
    assert stranger.row.status == "erased"
    for visitor in (victim, stranger):
        page = support.get(page_of(visitor.row, "certificate"))
        assert [one.session.pk for one in page.context["erased"]] == [visitor.row.pk]


@pytest.mark.parametrize(
    "changed", [{"code": "MAR-000-000-000"}, {"code": ""}, {"reason": ""}, {"code": "\x00"}]
)
def test_t69_without_the_typed_code_and_a_reason_nothing_is_erased(
    support: Client, changed: dict[str, str]
) -> None:
    visitor = verified()
    page = erase_person(support, visitor.row, **changed)
    assert page.status_code == 200
    assert states(visitor) == ["active"]
    assert requested_events() == []


def test_t69_the_code_of_another_session_is_not_enough(support: Client) -> None:
    one, two = verified(), verified()
    page = erase_person(support, one.row, code=two.row.support_code)
    assert "not the support code of this session" in shown_text(page.content.decode())
    assert states(one, two) == ["active", "active"]


@pytest.mark.parametrize("old", ["", "0" * 16])
def test_t68_a_page_without_its_state_erases_nothing(support: Client, old: str) -> None:
    visitor = verified()
    page = erase_person(support, visitor.row, seen=old)
    assert "Nothing was done" in shown_text(page.content.decode())
    assert states(visitor) == ["active"]


@pytest.mark.both
def test_t68_if_the_sessions_have_changed_meanwhile_it_asks_again(support: Client) -> None:
    one, claim = verified(), claimed()
    before = seen(support.get(page_of(one.row, "erase_person")))
    late = verified()
    page = erase_person(support, one.row, seen=before)
    assert "Nothing was done" in shown_text(page.content.decode())
    assert late.row.support_code in shown_text(page.content.decode())
    assert states(one, late, claim) == ["active"] * 3
    assert requested_events() == []
    erase_person(support, one.row, seen=seen(page))
    assert states(one, late, claim) == ["erased", "erased", "active"]


def test_t68_a_session_erased_while_the_page_is_open_makes_it_ask_again(support: Client) -> None:
    one, two = verified(), verified()
    before = seen(support.get(page_of(one.row, "erase_person")))
    two.erase()
    page = erase_person(support, one.row, seen=before)
    assert "Nothing was done" in shown_text(page.content.decode())
    assert states(one, two) == ["active", "erased"]


def test_t68_who_takes_the_address_back_in_the_last_moment_is_left_alone(support: Client) -> None:
    one, two = verified(), verified()
    values = prepared(support, one)
    with rival(lambda: two.identify(email="")):
        support.post(page_of(one.row, "erase_person"), values)
    assert states(one, two) == ["erased", "active"]


@pytest.mark.both
def test_t68_two_staff_at_once_erase_each_session_once(support: Client, make_staff: Any) -> None:
    one, two = verified(), verified()
    colleague = make_staff("Support")
    values = prepared(support, one)
    with rival(lambda: erase_person(colleague, one.row)):
        page = support.post(page_of(one.row, "erase_person"), values, follow=True)
    assert states(one, two) == ["erased", "erased"]
    for visitor in (one, two):
        assert events(visitor.uuid).count("session.erasure_requested") == 1
        assert events(visitor.uuid).count("session.erased") == 1
    assert "0 sessions were erased just now" in shown_text(page.content.decode())
    assert len(page.context["erased"]) == 2


def test_t68_sending_it_twice_is_one_erasure(support: Client) -> None:
    one = verified()
    verified()
    values = prepared(support, one)
    for _ in range(2):
        page = support.post(page_of(one.row, "erase_person"), values, follow=True)
    assert "Nothing was done" in shown_text(page.content.decode())
    assert requested_events().count("session.erasure_requested") == 2


@pytest.mark.both
def test_t60_after_a_crash_in_the_middle_a_second_press_goes_on(
    support: Client,
) -> None:
    visitors = [verified() for _ in range(4)]
    anchor = visitors[1]
    values = prepared(support, anchor)
    with dying_after(2), pytest.raises(ErasureKilled):
        support.post(page_of(anchor.row, "erase_person"), values)
    assert sorted(states(*visitors)) == ["active", "active", "erased", "erased"]
    assert states(anchor) == ["active"]  # by which the others are found

    page = erase_person(support, anchor.row)

    assert states(*visitors) == ["erased"] * 4
    assert requested_events().count("session.erasure_requested") == 4
    # One certificate, though it took two requests.
    for visitor in visitors:
        page = support.get(page_of(visitor.row, "certificate"))
        assert {one.session.pk for one in page.context["erased"]} == {
            one.row.pk for one in visitors
        }


def test_a_press_ends_in_time_and_the_next_goes_on(support: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(person_actions, "ERASE_SECONDS", 0.0)
    one, two = verified(), verified()
    page = erase_person(support, one.row)
    assert "1 session was erased. There are more" in shown_text(page.content.decode())
    assert states(one, two) == ["active", "erased"]
    page = erase_person(support, one.row)
    assert page.redirect_chain[-1][0] == page_of(one.row, "certificate")
    assert states(one, two) == ["erased", "erased"]


def test_more_than_are_shown_go_in_several_presses(support: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(person_sessions, "SHOWN", 2)
    anchor, *others = [verified() for _ in range(4)]
    left = []
    while states(anchor) == ["active"]:
        erase_person(support, anchor.row)
        left.append(states(*others).count("active"))
    assert left == [2, 1, 0]
    page = support.get(page_of(anchor.row, "certificate"))
    assert len(page.context["erased"]) == 4


class ErasureKilled(BaseException):
    """The process is gone."""


@contextmanager
def dying_after(closed: int) -> Iterator[None]:
    """Let the process die when so many sessions are closed, just before the next one is."""
    left = closed

    def execute_or_die(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if sql.startswith("UPDATE") and "token_hash" in sql and "erased" in map(str, params):
            left -= 1
            if left < 0:
                raise ErasureKilled
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute_or_die):
        yield


def prepared(staff: Client, visitor: Visitor) -> dict[str, str]:
    """Open the page that erases a person, and return what it would send."""
    page = staff.get(page_of(visitor.row, "erase_person"))
    return {"seen": seen(page), "reason": "asked", "code": visitor.row.support_code}


def test_what_stays_is_reported_as_the_privacy_page_reports_it() -> None:
    page = (Path(__file__).parents[2] / "docs/privacy.md").read_text()
    table = page.split("| stays | because | how long |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    for row, (what, _, how_long) in zip(rows, [*privacy.KEPT, privacy.REMAINS], strict=True):
        assert row[0].startswith(what)
        assert row[2] == how_long
