"""Hosts that differ are named in health, metrics, the log, the admin and one mail."""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from backoffice_app.hosts import fingerprints
from backoffice_app.hosts.alerts import ROLLING_RESTART, SETTLED_AFTER
from backoffice_app.hosts.differences import REPORTED_WITHIN
from backoffice_app.hosts.roll_call import RollCall
from backoffice_app.models import HostsState, ProcessKind, ProcessReport
from common.clock import DATABASE_CLOCK
from maria_project.figures import DATABASE_FIGURES
from maria_project.version import VERSION
from tests.backoffice_app.dashboard_page import index
from tests.backoffice_app.pages import shown_text
from tests.mailbox import Mailbox
from tests.maria_project.pages import ROOT, code_words
from tests.sessions_app.people import log_lines, mail_server

pytestmark = pytest.mark.both

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
DIFFER = "Maria at maria.example: hosts differ"
AGREE = "Maria at maria.example: hosts agree again"


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    settings.ALERT_EMAILS = ["ops@example.com"]
    settings.PUBLIC_URL = "https://maria.example"
    with mail_server(settings) as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def figures_and_clock_are_dropped() -> Iterator[None]:
    yield
    DATABASE_FIGURES.forget()
    DATABASE_CLOCK.offset = timedelta(0)


@pytest.fixture(autouse=True)
def own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first host by name reports the metrics of the deployment."""
    monkeypatch.setattr(socket, "gethostname", lambda: "alpha")


def start(host: str, kind: ProcessKind = ProcessKind.WEB, version: str = VERSION) -> RollCall:
    """Let a process of a host report itself."""
    process = RollCall(kind, version, host)
    process.call()
    return process


def worker(host: str = "alpha") -> RollCall:
    return start(host, ProcessKind.WORKER)


def peers() -> str:
    """Return what health says about the other processes."""
    document = Client().get("/health/ready").json()
    return str(document["problems"].get("peers", ""))


def differing() -> dict[str, float]:
    """Return the numbers of hosts that differ, in the metrics."""
    DATABASE_FIGURES.forget()
    text = Client().get("/metrics").content.decode()
    found = re.findall(r'^maria_hosts_differing{what="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {what: float(number) for what, number in found if float(number)}


def subjects(mailbox: Mailbox) -> list[str]:
    return [message["Subject"] for message in mailbox.messages]


def let_pass(time: timedelta) -> None:
    """Let the processes differ, or agree, since some time before."""
    HostsState.objects.update(since=F("since") - time)


def test_processes_that_fit_together_are_nowhere(
    db: None, mailbox: Mailbox, make_staff: Any, settings: Any
) -> None:
    start("beta")
    settings.CACHE_URL, settings.UPLOAD_MAX_FILES = "redis://elsewhere/1", 9
    with log_lines() as lines:
        worker().call()
    let_pass(ROLLING_RESTART)
    worker()

    assert (peers(), differing(), subjects(mailbox)) == ("", {}, [])
    assert "differ" not in lines.getvalue()
    page = shown_text(index(make_staff("Operator")))
    assert "Processes differ" not in page
    assert "alpha" in page
    assert "beta" in page


def test_another_secret_key_is_mailed_at_once_and_only_once(
    db: None, mailbox: Mailbox, make_staff: Any, settings: Any
) -> None:
    workers = [worker("alpha"), worker("beta")]
    settings.SECRET_KEY = "another" * 10
    other = start("gamma")
    with log_lines() as lines:
        for process in workers * 2:
            process.call()

    assert peers() == "Another SECRET_KEY in 1 of 3 processes."
    assert differing() == {"secret_key": 1}
    named = "SECRET_KEY: alpha (worker), beta (worker); gamma (web)"
    assert subjects(mailbox) == [DIFFER]
    assert named in mailbox.messages[0].get_content()
    assert lines.getvalue().count(f"Processes differ. {named}.") == len(workers)
    assert named in shown_text(index(make_staff("Auditor")))

    other.leave()
    with log_lines() as lines:
        workers[0].call()
    assert (peers(), differing()) == ("", {})
    assert lines.getvalue().count("All processes agree again.") == 1
    assert subjects(mailbox) == [DIFFER]
    let_pass(SETTLED_AFTER)
    for process in workers * 2:
        process.call()
    assert subjects(mailbox) == [DIFFER, AGREE]


def test_the_key_of_one_may_be_a_fallback_of_the_other(db: None, settings: Any) -> None:
    old, new = settings.SECRET_KEY, "new" * 20
    start("alpha")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    start("beta")
    assert peers() == ""
    settings.SECRET_KEY_FALLBACKS = []
    start("gamma")
    assert peers() == "Another SECRET_KEY in 1 of 3 processes."


def test_reports_have_fingerprints_and_no_keys(db: None, settings: Any) -> None:
    settings.SECRET_KEY = "k" * 50
    settings.SECRET_KEY_FALLBACKS = ["f" * 50]
    start("alpha")
    report = ProcessReport.objects.get()
    assert len(set(report.keys)) == 2
    assert not re.search("k{4}|f{4}", str(vars(report)))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "sentence", "what"),
    [
        ({"VERSION": "0.2.9"}, "Another version in 1 of 3 processes.", "version"),
        ({"UPLOAD_RETENTION": SECOND}, "Another UPLOAD_RETENTION in 1 of 3 processes.", "settings"),
        ({"UPLOAD_TYPES": ["png"]}, "Another UPLOAD_TYPES in 1 of 2 processes.", "settings"),
        ({"RATE_LIMITS": {"create": ["1/m"]}}, "Another RATE_LIMIT_CREATE in 1 of 2 processes.", "settings"),
        ({"CACHE_URL": "redis://:pass@cache/3"}, "Another CACHE_URL in 1 of 2 processes.", "settings"),
    ],
    ids=["version", "shared", "list", "limit", "cache"],
)  # fmt: skip
def test_a_rolling_restart_is_named_but_not_mailed(
    mailbox: Mailbox, settings: Any, changed: dict[str, Any], sentence: str, what: str
) -> None:
    process = worker()
    start("alpha")
    version = changed.pop("VERSION", VERSION)
    for name, value in changed.items():
        setattr(settings, name, value)
    start("beta", version=version)
    process.call()
    assert (peers(), differing(), subjects(mailbox)) == (sentence, {what: 1}, [])
    let_pass(ROLLING_RESTART - MINUTE)
    process.call()
    assert subjects(mailbox) == []
    let_pass(MINUTE)
    process.call()
    assert subjects(mailbox) == [DIFFER]


def test_another_schema_is_named(db: None) -> None:
    start("alpha")
    start("beta")
    late = ProcessReport.objects.get(host="beta")
    ProcessReport.objects.filter(host="beta").update(
        migrations={**late.migrations, "uploads_app": "0001_initial"}
    )
    assert peers() == "Another newest migration in 1 of 2 processes."
    assert differing() == {"migrations": 1}


@pytest.mark.parametrize(
    ("seconds", "mails", "status"), [(1, 0, 200), (10, 1, 200), (-50, 1, 200), (70, 1, 503)]
)
def test_a_wrong_clock(db: None, mailbox: Mailbox, seconds: int, mails: int, status: int) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock of its own")
    with time_machine.travel(timezone.now() + seconds * SECOND, tick=True):
        start("beta")
        document = Client().get("/health/ready")
    assert document.status_code == status
    assert (document.json()["parts"]["clock"] == "failed") is (status == 503)
    DATABASE_CLOCK.measure()
    worker()

    assert subjects(mailbox) == [DIFFER] * mails
    assert differing() == ({"clock": 1} if mails else {})
    if mails:
        assert peers() == "A wrong clock in 1 of 2 processes."
        direction = "ahead of" if seconds > 0 else "behind"
        assert re.search(
            rf"clock: beta: \d+ seconds {direction}", mailbox.messages[0].get_content()
        )


def test_reports_of_processes_that_were_killed_are_deleted(db: None) -> None:
    start("alpha", version="0.2.9")
    ProcessReport.objects.update(seen_at=F("seen_at") - REPORTED_WITHIN)
    assert start("beta")
    assert [report.host for report in ProcessReport.objects.all()] == ["beta"]
    assert peers() == ""


def test_public_health_names_no_host(db: None) -> None:
    start("alpha")
    start("beta", version="0.2.9")
    assert not re.search("alpha|beta", Client().get("/health/ready").content.decode())


def test_operations_lists_the_settings_that_are_compared() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\* \*\*Settings of (every|web) process(?:es)?\*\*: (.+?)\.", page, re.M)
    listed = {kind: set(code_words(names)) for kind, names in rows}
    shared = fingerprints.of_settings(with_web=False).keys()
    assert listed == {
        "every": shared,
        "web": fingerprints.of_settings(with_web=True).keys() - shared,
    }
