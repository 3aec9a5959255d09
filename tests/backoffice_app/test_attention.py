"""What needs attention, above the dashboard and as a number beside its link."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from django_q.models import Success

from tests.backoffice_app.dashboard_page import INDEX, index
from tests.backoffice_app.pages import page_of, shown_text
from tests.deliveries import beat
from tests.helpers import started, uploaded
from tests.uploads_app.cleanup.cleanup_support import last_run
from uploads_app.models import CleanupRun, RunStatus, UploadedFile
from uploads_app.tasks import cleanup_orphans

MINUTE = timedelta(minutes=1)


@pytest.fixture
def all_well(db: None) -> None:
    """A worker that takes tasks, and a cleanup that has completed."""
    beat(timedelta(seconds=30))
    cleanup_orphans()


def badge(client: Any) -> str:
    return shown_text(client.get(reverse("admin:live_attention")).content.decode())


def test_all_systems_are_normal(all_well: None, make_staff: Any) -> None:
    support = make_staff("Support")
    assert "All systems normal" in index(support)
    assert badge(support) == ""


def test_a_stopped_cleanup_says_why_and_what_to_do(all_well: None, make_staff: Any) -> None:
    CleanupRun.objects.create(
        status=RunStatus.STOPPED, stop_code="marker_missing", stop_sentence="The marker is missing.",
        actor="system", grace=30 * MINUTE, limit=1, finished_at=timezone.now(),
    )  # fmt: skip
    support = make_staff("Support")
    html = index(support)
    assert f'<a href="{page_of(last_run())}">Cleanup stopped: The marker is missing.</a>' in html
    assert "Mount the right store." in html
    assert badge(support) == "1 problem needs attention"


def test_a_silent_worker_and_a_late_inspection(all_well: None, make_staff: Any) -> None:
    upload = uploaded(started())
    UploadedFile.objects.filter(pk=upload.pk).update(stored_at=timezone.now() - 75 * MINUTE)
    Success.objects.update(stopped=timezone.now() - 12 * MINUTE)
    support = make_staff("Support")
    shown = shown_text(index(support))
    assert "Worker silent for 12 min" in shown
    assert "Inspection is late: 1 file waits for up to 75 min" in shown
    assert badge(support) == "2 problems need attention"


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("Operator", {"Worker silent"}),
        ("Auditor", {"Worker silent", "Inspection is late"}),
        ("", set()),
    ],
)
def test_t64_problems_need_the_permission_of_their_page(
    all_well: None, make_staff: Any, role: str, sees: set[str]
) -> None:
    upload = uploaded(started())
    UploadedFile.objects.filter(pk=upload.pk).update(stored_at=timezone.now() - 75 * MINUTE)
    Success.objects.update(stopped=timezone.now() - 12 * MINUTE)
    client = make_staff(role)
    shown = shown_text(client.get(INDEX).content.decode())
    assert {title for title in ("Worker silent", "Inspection is late") if title in shown} == sees
    assert "All systems normal" not in shown
