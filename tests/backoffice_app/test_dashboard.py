"""The dashboard: figures, their lists, charts and permissions."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from audit_app.models import AuditLog
from backoffice_app.models import HourlyFigure
from maria_project.tasks import count_figures
from sessions_app.models import UserSession
from sessions_app.tasks import expire_sessions
from tests.backoffice_app.dashboard_page import bars, charts, index, numbers, rows_behind, table
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.deliveries import beat
from tests.helpers import SOAK, Visitor, age_session, pdf, plant, started, uploaded
from tests.uploads_app.cleanup.cleanup_support import last_run
from uploads_app.models import CleanupRun, QuarantinedObject, UploadedFile
from uploads_app.services.inspection import quarantine_upload
from uploads_app.tasks import cleanup_orphans

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def happened(ago: timedelta) -> None:
    """Create an old event: counting starts at the first event."""
    AuditLog.objects.bulk_create([AuditLog(occurred_at=timezone.now() - ago, text="{}")])


def lists_hold(client: Client, *labels: str) -> None:
    """Check that the numbers equal the rows of their lists."""
    figures = numbers(client)
    for label in labels:
        assert rows_behind(client, figures[label].link) == int(figures[label].text), label


@pytest.mark.both
def test_sessions_and_files_created_by_the_api_are_counted(support: Client) -> None:
    one, two, three = started(), started(), started()
    first, second = uploaded(one, pdf(size=2000)), uploaded(two, pdf(size=3000))
    kept = uploaded(two, pdf("other", size=4000))
    quarantine_upload(upload=kept, reason="looks odd")
    age_session(three.row, timedelta(hours=25))
    expire_sessions()
    two.reset()
    count_figures()

    figures = {label: one.text for label, one in numbers(support).items()}
    # One of them was created more than 24 hours ago.
    assert figures["Sessions started in 24 hours"] == "3"
    assert figures["Sessions expired in 24 hours"] == "1"
    assert figures["Active now"] == "2"
    assert figures["Files uploaded in 24 hours"] == "3"
    assert figures["Bytes uploaded in 24 hours"] == "8.8 KB"
    assert figures["Stored"] == "2"
    assert figures["In quarantine"] == "1"
    (beside,) = numbers(support)["Stored"].beside
    assert beside[0] == "4.9 KB"
    assert first.size + second.size == 5000
    lists_hold(
        support, "Sessions started in 24 hours", "Sessions expired in 24 hours", "Active now",
        "Files uploaded in 24 hours", "Stored", "In quarantine",
    )  # fmt: skip


def test_tiles_show_seven_days_below_24_hours(support: Client) -> None:
    old, older = started(), started()
    started()
    age_session(old.row, 3 * DAY)
    age_session(older.row, 9 * DAY)
    happened(4 * DAY)
    count_figures()
    figures = numbers(support)["Sessions started in 24 hours"]
    assert figures.text == "1"
    ((text, link),) = figures.beside
    assert text == "2 in 7 days"
    assert rows_behind(support, link) == 2


def test_refused_requests_include_repeated_ones(support: Client, cache_in_step: None) -> None:
    # The window of a refusal's row must not end between two requests.
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(3):
            assert Visitor().current().status_code == 401
        clock.shift(61)
        assert Visitor().current().status_code == 401
        count_figures()
        figures = numbers(support)["Requests refused in 24 hours"]
        assert figures.text == "4"
        assert rows_behind(support, figures.link) == 2


def test_refused_files_and_requests_over_a_limit_are_counted(
    support: Client, settings: Any
) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["1/d"]}
    visitor = started()
    assert Visitor().start().status_code == 429
    assert visitor.upload(b"no pdf", "a.pdf").status_code == 415
    for number in range(settings.UPLOAD_MAX_FILES + 1):
        answer = visitor.upload(pdf(str(number)))
    assert answer.status_code == 409
    count_figures()
    figures = numbers(support)
    assert figures["Requests refused in 24 hours"].text == "2"
    assert figures["Requests over a limit in 24 hours"].text == "1"
    lists_hold(support, "Requests refused in 24 hours", "Requests over a limit in 24 hours")


def test_the_last_and_next_cleanup_run_are_shown(support: Client) -> None:
    uploaded(started())
    orphan = plant(f"uploads/{uuid.uuid4()}/{uuid.uuid4()}.pdf", age=2 * HOUR)
    cleanup_orphans()
    assert not orphan.exists()
    count_figures()
    lists_hold(support, "In the trash")
    assert numbers(support)["In the trash"].text == "1"
    html = index(support)
    assert page_of(last_run()) in html
    assert f'<a href="{list_of(CleanupRun)}">Cleanup</a>' in html
    next_run = Schedule.objects.get(name="clean up orphans").next_run
    shown = timezone.localtime(next_run).strftime("%Y-%m-%d %H:%M:%S")
    assert re.search(rf"Completed ?\. Next: {shown}", shown_text(html))


def test_the_queue_tiles_show_its_current_state(support: Client) -> None:
    figures = numbers(support)
    assert figures["Tasks waiting or running"].text == "0"
    assert figures["Worker heartbeat"].text == "never"
    assert "No worker has finished a task yet" in index(support)
    async_task("maria_project.tasks.heartbeat")
    beat(timedelta(seconds=30))
    figures = numbers(support)
    assert figures["Tasks waiting or running"].text == str(OrmQ.objects.count()) == "1"
    assert re.fullmatch("3[0-9] s ago", figures["Worker heartbeat"].text)
    assert figures["Tasks waiting or running"].link == list_of(Schedule)
    assert "No worker has finished" not in index(support)


# What each number needs: the view of the list it was counted from.
NEEDS = {
    "Sessions started in 24 hours": UserSession,
    "Sessions expired in 24 hours": AuditLog,
    "Active now": UserSession,
    "Files uploaded in 24 hours": UploadedFile,
    "Bytes uploaded in 24 hours": UploadedFile,
    "Requests refused in 24 hours": AuditLog,
    "Requests over a limit in 24 hours": AuditLog,
    "Stored": UploadedFile,
    "In quarantine": UploadedFile,
    "In the trash": QuarantinedObject,
    "Tasks waiting or running": Schedule,
    "Worker heartbeat": Schedule,
}
CHARTS: dict[str, set[Any]] = {
    "Sessions": {UserSession, AuditLog},
    "Files uploaded": {UploadedFile},
    "Bytes uploaded": {UploadedFile},
    "Blocked requests": {AuditLog},
}
SEEN: dict[str, set[Any]] = {
    "": set(),
    "Operator": {QuarantinedObject, Schedule},
    "Auditor": set(NEEDS.values()),
    "Support": set(NEEDS.values()),
}


@pytest.mark.parametrize("role", SEEN)
def test_t64_a_number_requires_permission_for_its_list(
    db: None, make_staff: Any, role: str
) -> None:
    uploaded(started())
    count_figures()
    client = make_staff(role)
    figures = numbers(client)
    assert figures.keys() == {label for label, needs in NEEDS.items() if needs in SEEN[role]}
    links = [link for one in figures.values() for link in (one.link, *(at for _, at in one.beside))]
    assert {client.get(link).status_code for link in links} <= {200}
    shown = {title.split(",")[0] for title in charts(client)}
    assert shown == {title for title, needs in CHARTS.items() if needs & SEEN[role]}
    assert ("Last scheduled run" in index(client)) is bool(role)


def test_t64_a_chart_has_no_bars_of_a_forbidden_list(db: None, make_staff: Any) -> None:
    from django.contrib.auth.models import Permission

    started()
    count_figures()
    client = make_staff()
    client.user.user_permissions.add(Permission.objects.get(codename="view_usersession"))
    chart = charts(client)["Sessions, 24 hours"]
    assert "started" in chart
    assert "expired" not in chart


def test_a_chart_says_the_same_as_its_table(support: Client) -> None:
    with time_machine.travel(timezone.now().replace(minute=30), tick=False):
        for ago in (0, 0, 5, 23, 24):
            age_session(started().row, ago * HOUR)
        happened(DAY)
        count_figures()
        chart = charts(support)["Sessions, 24 hours"]
        rows = table(chart)
    assert len(rows) == 24
    assert [cells[0] for cells in rows.values() if cells[0] != "0"] == ["1", "1", "2"]
    figures = [(name, cells[0]) for name, cells in rows.items() if cells[0] != "0"]
    assert bars(chart) == [f"{name}: {value} started" for name, value in figures]
    assert f"Started: 4 in total, maximum 2 at {figures[-1][0]}." in chart
    assert "Expired: none." in chart


def test_a_chart_has_axes_units_and_a_zero_line(support: Client) -> None:
    uploaded(started(), pdf(size=300_000))
    count_figures()
    drawn = charts(support)
    assert len(drawn) == 4
    for title, chart in drawn.items():
        assert chart.count('class="chart-zero"') == 1, title
        assert 'role="img"' in chart
        assert re.search(r'aria-labelledby="(\S+) (\S+)"', chart)
        assert "<details>" in chart
    assert shown_text(drawn["Bytes uploaded, 24 hours"]).startswith(
        "Bytes uploaded, 24 hours Uploaded: 293.0\xa0KB".replace("\xa0", " ")
    )
    assert ">KB</text>" in drawn["Bytes uploaded, 24 hours"]
    in_days = charts(support, "week")["Files uploaded, 7 days"]
    assert ">files</text>" in in_days
    assert ">day</text>" in in_days


# A month has 1,440 hours to count, and takes six seconds.
@pytest.mark.parametrize(
    ("period", "days"), [("day", 1), ("week", 7), *([("month", 30)] if SOAK else [])]
)
def test_a_chart_shows_the_same_period_before(support: Client, period: str, days: int) -> None:
    with time_machine.travel(timezone.now().replace(minute=30), tick=False):
        started()
        for ago in (days * DAY, days * DAY, (days + 2) * DAY if days > 1 else 30 * HOUR):
            age_session(started().row, ago)
        happened(2 * days * DAY - HOUR)
        count_figures()
        title = "24 hours" if days == 1 else f"{days} days"
        chart = charts(support, period)[f"Sessions, {title}"]
        rows = table(chart)
    assert len(rows) == (24 if days == 1 else days)
    # Started, expired, and started in the period before.
    assert list(rows.values())[-1] == ["1", "0", "2"]
    assert f"started, {title} before" in chart
    assert '<path class="chart-before" d="M' in chart
    assert [cells[2] for cells in rows.values() if cells[2] not in ("0", "–")] == ["1", "2"]


def test_a_figure_shows_its_trend(support: Client) -> None:
    for ago in (HOUR, HOUR, HOUR, 30 * HOUR, 30 * HOUR):
        age_session(started().row, ago)
    happened(2 * DAY)
    count_figures()
    assert "▲ 50 % against the 24 hours before" in shown_text(index(support))


def test_a_new_installation_says_what_to_do(support: Client) -> None:
    html = shown_text(index(support))
    assert "Nothing has been counted yet. The worker counts once a minute" in html
    assert {figures.text for figures in numbers(support).values()} == {"–", "0", "never"}
    count_figures()
    assert "Nothing has been counted yet" not in index(support)
    assert (
        shown_text(charts(support, "week")["Sessions, 7 days"]).count("None in this period.") == 1
    )


def test_outdated_figures_have_a_warning(support: Client) -> None:
    count_figures()
    assert "updated once a minute" in index(support)
    HourlyFigure.objects.update(counted_at=timezone.now() - timedelta(minutes=20, seconds=5))
    then = timezone.localtime(HourlyFigure.objects.values_list("counted_at", flat=True)[0])
    html = shown_text(index(support))
    assert f"Figures of {then:%H:%M}: the worker has not updated them for 20 minutes." in html


def test_t66_the_dashboard_has_no_inline_code(support: Client) -> None:
    uploaded(started())
    count_figures()
    assert inline_code(index(support)) == []


@pytest.mark.both
@pytest.mark.usefixtures("extended_once")
def test_t70_the_dashboard_has_a_constant_number_of_queries(
    support: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        uploaded(started())
    count_figures()
    cleanup_orphans()
    index(support)
    with django_assert_max_num_queries(16) as captured:
        index(support)
    tables = ("sessions_app_usersession", "uploads_app_uploadedfile", "audit_app_auditlog")
    sql = [query["sql"] for query in captured.captured_queries]
    # A partial index has the few files that wait for their inspection.
    sql = [one for one in sql if '"inspection" = ' not in one]
    assert not [one for one in sql if any(f'FROM "{table}"' in one for table in tables)]


def test_the_page_of_one_app_has_no_dashboard(support: Client) -> None:
    page = support.get("/admin/uploads_app/")
    assert page.status_code == 200
    assert 'class="dashboard-part"' not in page.content.decode()
