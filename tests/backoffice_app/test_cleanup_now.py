"""Cleanup runs that staff start: permission, confirmation and actor."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ, Success

from audit_app.models import AuditLog
from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.deliveries import beat, deliver_now
from tests.helpers import events
from tests.uploads_app.cleanup.cleanup_support import HOUR, last_run, pending, settled, use_store
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.models import CleanupRun, RunStatus, StoreState, UploadStatus
from uploads_app.tasks import cleanup_orphans

PREVIEW = "/admin/uploads_app/cleanuprun/preview/"
RUN = "/admin/uploads_app/cleanuprun/run/"
RUNS = list_of(CleanupRun)
# Who may do what: each role, whether it may look now, whether it may clean up now.
ROLES = [
    ("Operator", True, True),
    ("superuser", True, True),
    ("Support", True, False),
    ("Auditor", False, False),
    ("", False, False),
]


def client_of(role: str, make_staff: Any) -> Any:
    return make_staff(is_superuser=True) if role == "superuser" else make_staff(role)


def html(client: Client, url: str = RUNS) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(("role", "may_preview", "may_run"), ROLES)
def test_t68_only_permitted_staff_can_start_a_run(
    db: None, make_staff: Any, role: str, may_preview: bool, may_run: bool
) -> None:
    client = client_of(role, make_staff)
    if role:
        links = html(client)
        assert (f'href="{PREVIEW}"' in links, f'href="{RUN}"' in links) == (may_preview, may_run)
    for url, may in ((PREVIEW, may_preview), (RUN, may_run)):
        waiting = OrmQ.objects.count()
        assert client.get(url).status_code == (200 if may else 403)
        assert OrmQ.objects.count() == waiting  # asking changes nothing
        answer = client.post(url)
        assert answer.status_code == (302 if may else 403)
        assert OrmQ.objects.count() == waiting + may
    assert not CleanupRun.objects.exists()


@pytest.mark.both
def test_t68_starting_a_run_requires_a_sign_in(visitor: Any) -> None:
    for client in (Client(), visitor):
        for url in (PREVIEW, RUN):
            answer = client.post(url)
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")
    assert not OrmQ.objects.exists()


def test_t7_a_foreign_page_cannot_start_a_run(db: None, make_staff: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = make_staff("Operator").cookies
    for url in (PREVIEW, RUN):
        assert strict.post(url).status_code == 403
    assert not OrmQ.objects.exists()


def test_starting_a_run_requires_the_view_permission(db: None, make_staff: Any) -> None:
    client = make_staff()
    for codename in ("preview_cleanup", "run_cleanup"):
        client.user.user_permissions.add(Permission.objects.get(codename=codename))
    for url in (PREVIEW, RUN):
        assert client.post(url).status_code == 403
    assert not OrmQ.objects.exists()


@pytest.mark.usefixtures("committed")
def test_the_run_has_the_staff_member_as_its_actor(make_staff: Any) -> None:
    ripe = pending(-HOUR)
    client = make_staff("Operator")
    actor = f"staff:{client.user.pk}"

    page = shown_text(client.post(PREVIEW, follow=True).content.decode())
    assert "Queued. The run is listed here when it has ended" in page
    assert not CleanupRun.objects.exists()
    deliver_now()
    run = last_run()
    assert (run.actor, run.dry_run, run.status) == (actor, True, RunStatus.COMPLETED)
    assert run.findings == {"lapsed uploads": 1}
    ripe.refresh_from_db()
    assert ripe.status == UploadStatus.PENDING
    assert "cleanup.completed" not in events()

    requested = client.post(RUN)
    deliver_now()
    run = last_run()
    assert (run.actor, run.dry_run, run.removed) == (actor, False, 1)
    ripe.refresh_from_db()
    assert ripe.status == UploadStatus.LAPSED
    for event in AuditLog.objects.filter(event_type__in=["upload.lapsed", "cleanup.completed"]):
        assert (event.actor, event.request_id) == (actor, requested["X-Request-ID"])
    assert actor in html(client)
    assert not OrmQ.objects.exists()


def test_the_page_warns_if_no_worker_is_running(db: None, make_staff: Any) -> None:
    client = make_staff("Operator")
    pages = (RUNS, PREVIEW, RUN, reverse("admin:django_q_schedule_changelist"))
    for url in pages:
        assert "no worker has finished a task yet" in shown_text(html(client, url))
    beat(timedelta(minutes=90))
    for url in pages:
        assert "no worker has finished a task for 90 minutes" in shown_text(html(client, url))
    Success.objects.all().delete()
    beat()
    for url in pages:
        assert "The queue is degraded" not in shown_text(html(client, url))


def test_the_list_shows_the_last_and_next_scheduled_run(db: None, make_staff: Any) -> None:
    client = make_staff("Auditor")
    assert "Last scheduled run: none yet." in shown_text(html(client))
    cleanup_orphans()
    scheduled = last_run()
    settled()  # by hand: not the schedule's
    page = html(client)
    assert f'Last scheduled run: <a href="{page_of(scheduled)}">' in page
    assert "Completed. Next: 20" in shown_text(page)
    assert "has failed" not in page
    assert inline_code(page) == []


def test_the_list_and_the_run_show_a_failure_and_what_to_do(
    db: None, make_staff: Any, settings: Any
) -> None:
    cleanup_orphans()
    use_store(settings, clock_off=timedelta(hours=1))
    cleanup_orphans()
    client = make_staff("Support")
    page = shown_text(html(client))
    since = StoreState.objects.get().alert_since
    assert since is not None
    assert f"The cleanup has failed (alert since {since:%Y-%m-%d %H:%M}):" in page
    assert f"(clocks_differ) {what_to_do('clocks_differ')}" in page
    assert what_to_do("clocks_differ") in shown_text(html(client, page_of(last_run())))


@pytest.mark.parametrize("url", [PREVIEW, RUN])
def test_the_page_has_no_inline_code(db: None, make_staff: Any, url: str) -> None:
    assert inline_code(html(make_staff("Operator"), url)) == []
