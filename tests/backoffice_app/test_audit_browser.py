"""Auditors narrow the log down by time, event, outcome, who, session and request, and by several at once."""

import re
import uuid
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit_app import events
from audit_app.models import AuditLog
from audit_app.services import record
from common import context
from common.context import RequestContext
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text

LIST = list_of(AuditLog)
SESSION = uuid.UUID(int=7)
DENIED = events.STAFF_PERMISSION_DENIED
SEEN = events.STAFF_SESSION_VIEWED


def written(event: events.EventType = SEEN, at: str = "", **extra: Any) -> AuditLog:
    """Write an event, `at` a time in UTC; `actor` and `request` are the context's."""
    request_context = RequestContext(
        request_id=extra.pop("request", ""), actor=extra.pop("actor", context.SYSTEM)
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        context.using(request_context),
        transaction.atomic(),
    ):
        if at:
            moment = datetime.fromisoformat(f"{at}+00:00")
            patch.setattr(timezone, "now", lambda: moment)
        return record(event, **extra)


def listed(client: Client, **query: str) -> set[int]:
    """Return the numbers of the events that a list links to."""
    page = client.get(f"{LIST}?{urlencode(query)}")
    assert page.status_code == 200
    html = page.content.decode()
    assert inline_code(html) == []
    return {int(number) for number in re.findall(rf"{LIST}(\d+)/change/", html)}


@pytest.mark.both
def test_each_filter_alone_and_all_together(auditor: Client) -> None:
    wanted = written(
        DENIED, "2026-11-20 12:00", actor="service:agent", request="request-1", session_uuid=SESSION
    )
    others = [
        written(SEEN, "2026-11-20 12:00", actor="service:agent", request="request-1"),
        written(DENIED, "2026-11-20 12:00", session_uuid=SESSION),
        written(DENIED, "2026-11-18 12:00", actor="service:agent", session_uuid=SESSION),
    ]
    everybody = {wanted.pk, *(other.pk for other in others)}
    alone = {
        "since": ("2026-11-19", {others[2].pk}),
        "until": ("2026-11-20", set()),
        "type": (DENIED.name, {others[0].pk}),
        "outcome": ("denied", {others[0].pk}),
        "actor": ("service:agent", {others[1].pk}),
        "session": (str(SESSION), {others[0].pk}),
        "request": ("request-1", {others[1].pk, others[2].pk}),
    }
    for name, (value, without) in alone.items():
        assert everybody - listed(auditor, **{name: value}) == without, name
    assert listed(auditor, **{name: value for name, (value, _) in alone.items()}) == {wanted.pk}


@pytest.mark.both
def test_a_day_is_whole_and_in_the_zone_of_who_asks(auditor: Client, settings: Any) -> None:
    late = written(at="2026-11-20 23:30")
    early = written(at="2026-11-20 00:30")
    assert listed(auditor, since="2026-11-20", until="2026-11-20") == {late.pk, early.pk}
    assert listed(auditor, since="2026-11-20 00:31", until="2026-11-20 23:30") == set()
    auditor.cookies["staff_zone"] = "Pacific/Auckland"  # 13 hours ahead
    assert listed(auditor, since="2026-11-21", until="2026-11-21") == {late.pk}
    assert "2026-11-21 12:30:00" in auditor.get(LIST).content.decode()


@pytest.mark.both
def test_who_is_requested_and_shown_by_user_name(auditor: Client, make_staff: Any) -> None:
    colleague = make_staff("Support").user
    by_colleague = written(actor=f"staff:{colleague.pk}")
    by_system = written()
    for spelling in (colleague.username, f"staff:{colleague.username}", f"staff:{colleague.pk}"):
        assert listed(auditor, actor=spelling) >= {by_colleague.pk}
        assert by_system.pk not in listed(auditor, actor=spelling)
    page = auditor.get(LIST, {"actor": colleague.username}).content.decode()
    assert f"staff:{colleague.pk} ({colleague.username})" in shown_text(page)
    assert "staff:987654" in shown_text(
        auditor.get(page_of(written(actor="staff:987654"))).content.decode()
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "yesterday"}, "Enter a date or a time, for example"),
        ({"until": "9999-12-31"}, "Enter a date or a time, for example"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "Enter a date or a time, for example"),
        ({"since": "2026-11-20", "until": "2026-11-19"}, "This must be later than “From”"),
        ({"type": "no.such"}, "Select a valid choice"),
        ({"outcome": "maybe"}, "Select a valid choice"),
        ({"type": "session.refused", "outcome": "success"}, "is always denied"),
        ({"actor": "nobody-here"}, "No staff member has this user name"),
        ({"session": "MAR-7F3"}, "Enter the whole UUID of a session"),
        ({"request": "x" * 65}, "at most 64 characters"),
        ({"actor": "<script>alert(1)</script>"}, "No staff member has this user name"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_and_nothing_is_shown(
    auditor: Client, query: dict[str, str], said: str
) -> None:
    written()
    assert listed(auditor, **query) == set()
    html = auditor.get(LIST, query).content.decode()
    assert said in shown_text(
        re.findall(r'<div class="narrow-field[^"]* errors">.*?</div>', html, re.DOTALL)[0]
    )
    assert "<script>alert" not in html
    assert auditor.get(f"{LIST}export/", query).status_code == 302


def test_filters_survive_paging_and_each_can_be_taken_away(auditor: Client) -> None:
    with transaction.atomic():
        for _ in range(60):
            record(SEEN, session_uuid=SESSION)
            record(DENIED)
    query = {"outcome": "success", "type": SEEN.name}
    html = auditor.get(LIST, query).content.decode()
    (older,) = re.findall(r'<a href="([^"]+)" rel="next"', html)
    second = auditor.get(LIST + older.replace("&amp;", "&")).content.decode()
    assert len(re.findall(rf"{LIST}\d+/change/", second)) == 10
    assert DENIED.name not in re.findall("<code>([^<]+)</code>", second)
    chips = re.findall(r'<a href="([^"]+)" aria-label="Remove the filter (\w+)', second)
    assert [(label, "outcome" in address) for address, label in chips] == [
        ("Event", True), ("Outcome", False),
    ]  # fmt: skip


def test_a_row_says_what_it_means_and_leads_on(auditor: Client) -> None:
    log = written(DENIED, session_uuid=SESSION, request="request-1")
    html = auditor.get(LIST).content.decode()
    assert f"{DENIED.name}denied" in shown_text(html)
    assert re.search('badge-error">.*denied</span>', html)
    assert f'href="/admin/sessions_app/usersession/{SESSION}/change/"' in html
    assert f'href="{LIST}?request=request-1"' in html
    for part in (DENIED.meaning, "request-1", str(SESSION)):
        assert part in shown_text(auditor.get(page_of(log)).content.decode())


def test_the_presets_reach_back_from_now(auditor: Client) -> None:
    now = timezone.now()
    recent = written()
    old = written(at=f"{now - timedelta(hours=3):%Y-%m-%d %H:%M}")
    html = auditor.get(LIST).content.decode()
    presets = re.findall(r'<a href="(\?since=[^"]+)">(Last[^<]+)</a>', html)
    found = {
        name: set(map(int, re.findall(rf"{LIST}(\d+)/change/", auditor.get(LIST + url).content.decode())))
        for url, name in presets
    }  # fmt: skip
    assert found.keys() == {"Last hour", "Last 24 hours", "Last 7 days"}
    assert {recent.pk} == found["Last hour"] & {recent.pk, old.pk}
    assert {recent.pk, old.pk} <= found["Last 24 hours"]
