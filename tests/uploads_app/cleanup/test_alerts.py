"""Alerts: one mail when the cleanup fails, one when it works again, through a real SMTP server."""

from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from django.utils import timezone
from django_q.models import Success

from audit_app.models import AuditLog
from common.mailed_alerts import ALERT_SEND_TIMEOUT
from tests.helpers import at_once, store_root
from tests.mailbox import Mailbox
from tests.ports import free_port
from tests.sessions_app.people import log_lines, mail_server, use_mail_server
from tests.uploads_app.cleanup.cleanup_support import (
    cleanup,
    clear_store,
    settled,
    stored,
    use_store,
)
from uploads_app import marker
from uploads_app.cleanup.alerts import PATIENCE, REFUSED_FOR
from uploads_app.cleanup.stop_codes import KILLED, known
from uploads_app.models import CleanupRun, RunStatus, StoreState
from uploads_app.tasks import cleanup_orphans, watch_cleanup

SECOND = timedelta(seconds=1)
OPS = ["ops@example.com", "duty@example.com"]


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """The administrators' mail server."""
    settings.ALERT_EMAILS = OPS
    settings.PUBLIC_URL = "https://maria.example"
    with mail_server(settings) as mailbox:
        yield mailbox


@pytest.fixture
def well(db: None) -> None:
    """A deployment whose last cleanup run completed."""
    stored()
    settled()


def stop(settings: Any) -> CleanupRun:
    """Stop a scheduled run by a wrong clock of the store; return the run."""
    use_store(settings, clock_off=timedelta(hours=1))
    assert cleanup_orphans() == "stopped"
    use_store(settings)
    return CleanupRun.objects.latest("id")


def alert_state() -> tuple[Any, str]:
    """Return time and code of the alert that the administrators know."""
    return StoreState.objects.values_list("alert_since", "alert_code").get()


def subjects(mailbox: Mailbox) -> list[str]:
    return [message["Subject"] for message in mailbox.messages]


def text(message: EmailMessage) -> str:
    content: str = message.get_content()
    return content.replace("\r\n", "\n")


ALERT = "Maria at maria.example: cleanup failed (clocks_differ)"
WELL = "Maria at maria.example: cleanup problem resolved"


def test_a_stop_sends_one_mail_and_its_resolution_another(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    good = CleanupRun.objects.get()
    run = stop(settings)

    assert subjects(mailbox) == [ALERT]
    assert mailbox.envelopes[0][1] == OPS
    (message,) = mailbox.messages
    assert run.stop_sentence in text(message)
    assert f"What to do: {known()['clocks_differ']}" in text(message)
    assert f"Last completed run: {good.started_at:%Y-%m-%d %H:%M UTC}" in text(message)
    page = f"https://maria.example/admin/uploads_app/cleanuprun/{run.pk}/change/"
    assert f"The run: {page}\n" in text(message)

    watch_cleanup()
    stop(settings)
    assert subjects(mailbox) == [ALERT]
    since, code = alert_state()
    assert code == "clocks_differ"

    assert cleanup_orphans() == "completed"
    watch_cleanup()
    assert subjects(mailbox) == [ALERT, WELL]
    assert f"The problem started at {since:%Y-%m-%d %H:%M UTC}" in text(mailbox.messages[1])
    assert alert_state() == (None, "")

    stop(settings)
    assert subjects(mailbox) == [ALERT, WELL, ALERT]


def test_a_process_with_a_wrong_store_alerts_although_the_cleanup_works(
    well: None, mailbox: Mailbox, client: Client
) -> None:
    path = store_root() / "marker.json"
    right = path.read_bytes()
    path.write_text('{"id": "another", "generation": 4}')
    assert client.get("/health/ready").json()["parts"]["storage"] == "degraded"
    path.write_bytes(right)
    settled()

    watch_cleanup()
    assert subjects(mailbox) == ["Maria at maria.example: uploads refused (marker_foreign)"]
    assert f"What to do: {known()['marker_foreign']}" in text(mailbox.messages[0])
    assert text(mailbox.messages[0]).startswith("Visitors cannot upload files.\n")
    watch_cleanup()
    StoreState.objects.update(refused_at=timezone.now() - REFUSED_FOR - SECOND)
    watch_cleanup()
    assert subjects(mailbox)[1:] == [WELL]


def test_another_stop_code_is_the_same_alert(well: None, mailbox: Mailbox, settings: Any) -> None:
    stop(settings)
    use_store(settings, break_after=0)
    assert cleanup_orphans() == "stopped"
    assert CleanupRun.objects.latest("id").stop_code == "listing_incomplete"
    assert subjects(mailbox) == [ALERT]


def test_the_next_check_reports_a_stop_of_a_manual_run_but_not_of_a_dry_run(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    use_store(settings, clock_off=timedelta(hours=1))
    assert cleanup("--dry-run").exit_code == 3
    watch_cleanup()
    assert subjects(mailbox) == []
    assert cleanup().exit_code == 3
    watch_cleanup()
    assert subjects(mailbox) == [ALERT]


@pytest.mark.parametrize(
    ("age", "mails"), [(PATIENCE - 20 * SECOND, 0), (PATIENCE, 1)], ids=["just under", "exactly"]
)
def test_two_intervals_without_a_completed_run_are_an_alert(
    well: None, mailbox: Mailbox, age: timedelta, mails: int
) -> None:
    CleanupRun.objects.update(started_at=timezone.now() - age)
    watch_cleanup()
    watch_cleanup()
    assert len(mailbox.messages) == mails
    if mails:
        assert mailbox.messages[0]["Subject"].endswith("cleanup failed (overdue)")
        assert known()["overdue"] in text(mailbox.messages[0])
        cleanup_orphans()
        assert subjects(mailbox)[1:] == [WELL]


def test_no_alert_is_sent_while_a_run_is_in_progress(well: None, mailbox: Mailbox) -> None:
    CleanupRun.objects.update(started_at=timezone.now() - 2 * PATIENCE)
    assert marker.take_lease("a long one")
    assert watch_cleanup() == "waiting for a run"
    marker.release_lease("a long one")
    assert subjects(mailbox) == []
    watch_cleanup()
    assert len(mailbox.messages) == 1
    # A run that has only started does not resolve the alert.
    assert marker.take_lease("the next")
    assert watch_cleanup() == "waiting for a run"
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize(
    ("at_work", "mails"), [(None, 0), (PATIENCE - 20 * SECOND, 0), (PATIENCE, 1)], ids=str
)
def test_a_new_installation_has_two_intervals_from_its_workers_first_task(
    db: None, mailbox: Mailbox, at_work: timedelta | None, mails: int
) -> None:
    if at_work is not None:
        then = timezone.now() - at_work
        Success.objects.create(id="1", name="1", func="x", started=then, stopped=then, success=True)
    watch_cleanup()
    watch_cleanup()
    assert len(mailbox.messages) == mails
    assert all("none yet" in text(message) for message in mailbox.messages)


def test_an_alert_before_the_first_run_does_not_claim_the_store(
    well: None, mailbox: Mailbox
) -> None:
    StoreState.objects.all().delete()
    for _ in range(2):
        assert cleanup_orphans() == "stopped"
        assert CleanupRun.objects.latest("id").stop_code == "marker_unknown"
    assert [subject.split()[-1] for subject in subjects(mailbox)] == ["(marker_unknown)"]
    assert StoreState.objects.get().generation == 0
    clear_store()
    assert cleanup("--json").document["stop_code"] == "marker_missing"


def test_a_mail_server_that_is_down_loses_no_alert(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    up = settings.EMAIL_PORT
    use_mail_server(settings, free_port())
    with log_lines() as lines:
        stop(settings)
        assert watch_cleanup() == "not sent"
    assert "the cleanup has failed" in lines.getvalue()
    assert "the mail about the cleanup could not be sent" in lines.getvalue()
    assert alert_state() == (None, "")

    use_mail_server(settings, up)
    assert watch_cleanup() == "sent"
    assert watch_cleanup() == "no change"
    assert subjects(mailbox) == [ALERT]

    mailbox.refusal = "451 come back later"
    cleanup_orphans()
    assert alert_state()[1] == "clocks_differ"
    mailbox.refusal = ""
    assert watch_cleanup() == "sent"
    assert subjects(mailbox) == [ALERT, WELL]


def test_a_failure_that_is_resolved_before_its_mail_sends_no_mail(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    mailbox.refusal = "451 come back later"
    stop(settings)
    mailbox.refusal = ""
    cleanup_orphans()
    assert subjects(mailbox) == []


def test_another_worker_sends_when_the_first_sender_must_be_dead(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    assert timedelta(seconds=project.Q_CLUSTER["timeout"]) < ALERT_SEND_TIMEOUT
    mailbox.refusal = "451 come back later"
    stop(settings)
    mailbox.refusal = ""
    StoreState.objects.update(alert_since=timezone.now() - ALERT_SEND_TIMEOUT + 20 * SECOND)
    assert watch_cleanup() == "another worker is sending"
    assert subjects(mailbox) == []
    StoreState.objects.update(alert_since=timezone.now() - ALERT_SEND_TIMEOUT)
    assert watch_cleanup() == "sent"
    assert subjects(mailbox) == [ALERT]


@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_of_four_concurrent_workers_one_sends(mailbox: Mailbox, settings: Any) -> None:
    stored()
    settled()
    use_store(settings, clock_off=timedelta(hours=1))
    for number in range(5):
        assert cleanup().exit_code == 3
        did = at_once(4, lambda _: watch_cleanup())
        assert did.count("sent") == 1, did
        assert len(mailbox.messages) == 2 * number + 1
        use_store(settings)
        settled()
        did = at_once(4, lambda _: watch_cleanup())
        assert did.count("sent") == 1, did
        assert len(mailbox.messages) == 2 * number + 2
        use_store(settings, clock_off=timedelta(hours=1))
    assert subjects(mailbox) == [ALERT, WELL] * 5


def test_without_addresses_the_log_has_the_alert(well: None, settings: Any) -> None:
    settings.ALERT_EMAILS = []
    use_mail_server(settings, free_port())  # nobody is asked there
    with log_lines() as lines:
        stop(settings)
        cleanup_orphans()
    assert '"code": "clocks_differ"' in lines.getvalue()
    assert "the cleanup works again" in lines.getvalue()
    assert alert_state() == (None, "")


def test_without_public_url_the_mail_has_no_link(
    well: None, mailbox: Mailbox, settings: Any
) -> None:
    settings.PUBLIC_URL = ""
    stop(settings)
    assert subjects(mailbox) == ["Maria: cleanup failed (clocks_differ)"]
    assert "The run:" not in text(mailbox.messages[0])


def test_a_stop_sentence_cannot_inject_headers_or_markup_into_the_mail(
    well: None, mailbox: Mailbox
) -> None:
    CleanupRun.objects.create(
        actor="x", grace=SECOND, limit=1, status=RunStatus.STOPPED, stop_code="a<b>",
        stop_sentence="<a href=x>\n\nBcc: eve@example.com & co",
    )  # fmt: skip
    watch_cleanup()
    (message,) = mailbox.messages
    assert message["Bcc"] is None
    assert message.get_content_type() == "text/plain"
    assert "<a href=x>\n\nBcc: eve@example.com & co" in text(message)


@pytest.mark.both
def test_a_killed_run_is_closed_when_its_lease_ends(well: None) -> None:
    dead = running()
    dry = running(dry_run=True)
    assert marker.take_lease("alive")
    watch_cleanup()
    dead.refresh_from_db()
    assert dead.status == RunStatus.RUNNING

    StoreState.objects.update(lease_expires_at=timezone.now() - SECOND)
    watch_cleanup()
    watch_cleanup()
    dead.refresh_from_db()
    assert (dead.status, dead.stop_code) == (RunStatus.STOPPED, KILLED)
    assert dead.finished_at is not None
    event = AuditLog.objects.get(event_type="cleanup.stopped")
    assert (event.target, event.details) == (
        f"cleanup_run:{dead.pk}", {"run": dead.pk, "code": KILLED},
    )  # fmt: skip
    dry.refresh_from_db()
    assert dry.status == RunStatus.RUNNING  # no lease says whether a dry run is alive


@pytest.mark.both
def test_a_killed_run_is_an_alert_only_if_no_run_completes_after_it(
    well: None, mailbox: Mailbox
) -> None:
    running()
    watch_cleanup()
    assert subjects(mailbox) == []
    CleanupRun.objects.update(started_at=timezone.now() - PATIENCE)
    watch_cleanup()
    assert [subject.split()[-1] for subject in subjects(mailbox)] == ["(killed)"]
    assert known()[KILLED] in text(mailbox.messages[0])
    cleanup_orphans()
    assert subjects(mailbox)[1:] == [WELL]


def running(*, dry_run: bool = False) -> CleanupRun:
    """Create the row of a run whose process was killed."""
    return CleanupRun.objects.create(
        actor="system", grace=SECOND, limit=1, dry_run=dry_run, status=RunStatus.RUNNING
    )


def test_health_agrees_with_the_mail(well: None, mailbox: Mailbox, settings: Any) -> None:
    stop(settings)
    assert Client().get("/health/ready").json()["parts"]["cleanup"] == "degraded"
    cleanup_orphans()
    assert Client().get("/health/ready").json()["parts"]["cleanup"] == "ok"
