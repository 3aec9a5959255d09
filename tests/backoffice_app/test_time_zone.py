"""The admin shows times in the zone of the browser's cookie."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from maria_project.tasks import count_figures
from sessions_app.models import UserSession
from tests.backoffice_app.dashboard_page import charts, rows_behind, table
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.deliveries import beat
from tests.helpers import Visitor, started

pytestmark = pytest.mark.usefixtures("db")
NIGHT = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


def began(moment: datetime) -> Visitor:
    """Return a visitor whose session was created at that time."""
    visitor = started()
    UserSession.objects.filter(pk=visitor.uuid).update(created_at=moment)
    return visitor


def seen_from(client: Client, zone: str, url: str = "/admin/") -> str:
    """Return the text that a page shows to a browser in that zone."""
    client.cookies["staff_zone"] = zone
    answer = client.get(url)
    assert answer.status_code == 200
    return shown_text(answer.content.decode())


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Berlin", "2026-11-22 23:30:00"),
        ("Asia/Kolkata", "2026-11-23 04:00:00"),
        ("Asia/Calcutta", "2026-11-23 04:00:00"),
        ("America/Argentina/Buenos_Aires", "2026-11-22 19:30:00"),
        ("Etc/GMT+5", "2026-11-22 17:30:00"),
        ("UTC", "2026-11-22 22:30:00"),
    ],
)
def test_a_page_shows_times_in_the_zone_and_its_name(
    support: Client, zone: str, shown: str
) -> None:
    visitor = began(NIGHT)
    assert shown in seen_from(support, zone, page_of(visitor.row))
    page = seen_from(support, zone, list_of(UserSession))
    assert f"Times are in {zone} (UTC" in page
    # A list shows how long ago that was, and the exact time on hover and on focus.
    html = unescape(support.get(list_of(UserSession)).content.decode())
    assert f'title="{shown} {zone}"' in html


NO_ZONES = (
    "", "Nowhere/Atlantis", "../../etc/passwd", "/etc/passwd", "America", "posixrules\x00", "é", "x" * 4000,
)  # fmt: skip


def test_an_unknown_zone_is_ignored(support: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Lisbon"
    visitor = began(NIGHT)
    for zone in NO_ZONES:
        support.cookies.clear()
        page = support.get("/admin/login/", headers={"cookie": f"staff_zone={zone}"})
        assert "Times are in Europe/Lisbon (UTC" in shown_text(page.content.decode()), zone
        support.force_login(User.objects.get())
        page = support.get(page_of(visitor.row))
        assert "2026-11-22 22:30:00" in shown_text(page.content.decode()), zone


def test_the_zone_of_a_request_does_not_affect_the_next(support: Client) -> None:
    assert "Europe/Berlin" in seen_from(support, "Europe/Berlin")
    assert "Asia/Tokyo" in seen_from(support, "Asia/Tokyo")
    assert timezone.get_current_timezone_name() == "UTC"
    del support.cookies["staff_zone"]
    assert "Times are in UTC (UTC+0000)." in shown_text(support.get("/admin/").content.decode())


def test_the_api_does_not_follow_the_cookie(support: Client) -> None:
    visitor = began(NIGHT)
    visitor.cookies["staff_zone"] = "Asia/Tokyo"
    assert visitor.current().json()["created_at"].startswith("2026-11-22T22:30")


@pytest.mark.both
def test_today_is_the_readers_day(support: Client) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=1), tick=False):
        began(NIGHT)
        for zone, found in (("UTC", 1), ("Asia/Tokyo", 1), ("Europe/Berlin", 0)):
            seen_from(support, zone)
            page = support.get(list_of(UserSession)).content.decode()
            (query,) = {
                part.split('"')[0] for part in page.split('href="') if ">Today</a>" in part[:300]
            }
            link = list_of(UserSession) + query.replace("&amp;", "&")
            assert rows_behind(support, link) == found, zone


def test_charts_use_the_readers_hours_and_days(support: Client) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=1), tick=False):
        began(NIGHT)
        AuditLog.objects.bulk_create([AuditLog(occurred_at=NIGHT - timedelta(hours=2), text="{}")])
        count_figures()
        for zone, hour, day in (
            ("UTC", "Sun 22:00", "Sun 2026-11-22"),
            ("Asia/Kolkata", "Mon 03:30", "Mon 2026-11-23"),
            ("America/New_York", "Sun 17:00", "Sun 2026-11-22"),
        ):
            seen_from(support, zone)
            drawn = charts(support) | charts(support, "week")
            for title, slot in (("Sessions, 24 hours", hour), ("Sessions, 7 days", day)):
                filled = [name for name, (value, _) in table(drawn[title]).items() if value == "1"]
                assert filled == [slot], (zone, title)


def test_a_week_has_seven_days_when_summer_time_changes(support: Client) -> None:
    with time_machine.travel(datetime(2026, 10, 28, 12, tzinfo=UTC), tick=False):
        seen_from(support, "Europe/Berlin")
        rows = table(charts(support, "week")["Sessions, 7 days"])
        assert list(rows)[-4:] == [
            "Sun 2026-10-25", "Mon 2026-10-26", "Tue 2026-10-27", "Wed 2026-10-28",
        ]  # fmt: skip
        assert len(rows) == 7


def test_each_page_has_the_zone_script_also_before_signing_in(
    support: Client,
) -> None:
    beat()
    for client, url in ((Client(), "/admin/login/"), (support, "/admin/")):
        page = client.get(url).content.decode()
        assert '<script src="/static/maria/zone.js" defer></script>' in page
        assert inline_code(page) == []
