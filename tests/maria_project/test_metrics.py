"""`GET /metrics`: counters, figures from the database, access, and no dependency on the database."""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Success
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from backoffice_app.hosts.roll_call import RollCall
from backoffice_app.models import ProcessKind
from common.groups import AUDITOR
from common.worker import HEARTBEAT_FUNC
from maria_project.figures import DATABASE_FIGURES
from maria_project.version import VERSION
from tests.cases import cases
from tests.helpers import Visitor, age_session, pdf, plant, started, uploaded
from tests.maria_project.server import ROOT, environment, process, wait_for
from tests.ports import free_port
from tests.sessions_app.support import expire
from uploads_app.cleanup.alerts import PATIENCE
from uploads_app.models import CleanupRun

TOKEN = "metrics-token-0c1d2e3f4a5b6c7d8e9f"
STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def cached_figures_are_dropped() -> Iterator[None]:
    """Drop cached figures between tests."""
    DATABASE_FIGURES.forget()
    yield
    DATABASE_FIGURES.forget()


def parsed(text: str) -> dict[str, Metric]:
    """Parse the text format with the parser of prometheus-client."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def scraped() -> dict[str, Metric]:
    """Return all metric families."""
    response = Client().get("/metrics")
    assert response.status_code == 200
    return parsed(response.content.decode())


def figure(name: str, **labels: str) -> float | None:
    """Return one value, None if it is missing."""
    for family in scraped().values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def requests_counted(**labels: str) -> float:
    """Return the number of requests with exactly these labels."""
    return figure("maria_requests_total", **labels) or 0.0


@cases(
    ("ask", "labels"),
    [
        (lambda v: v.current(), {"route": "session-current", "method": "GET", "status": "200"}),
        (lambda _: Visitor().current(), {"route": "session-current", "method": "GET", "status": "401"}),
        (lambda v: v.upload(), {"route": "upload-list", "method": "POST", "status": "201"}),
        (lambda v: v.get("/api/v1/uploads/x/"), {"route": "none", "method": "GET", "status": "404"}),
        (lambda v: v.get("/nowhere?token=x"), {"route": "none", "method": "GET", "status": "404"}),
        (lambda v: v.generic("BREW", "/health/live"), {"route": "live", "method": "other", "status": "405"}),
        (lambda v: v.get("/admin/login/"), {"route": "admin:login", "method": "GET", "status": "200"}),
        (lambda v: v.get("/", headers={"Host": "evil.example"}), {"route": "none", "method": "GET", "status": "400"}),
    ],
    ids=["good", "refused", "made", "a path like a route", "an unknown path", "an unknown method", "admin", "a bad host"],
)  # fmt: skip
def test_each_request_is_counted_by_route_method_and_status(
    visitor: Visitor, ask: Any, labels: dict[str, str]
) -> None:
    before = requests_counted(**labels)
    by_route = {name: labels[name] for name in ("route", "method")}
    timed = figure("maria_request_seconds_count", **by_route) or 0.0

    ask(visitor)

    assert requests_counted(**labels) == before + 1
    assert figure("maria_request_seconds_count", **by_route) == timed + 1


@pytest.mark.both
def test_a_request_that_fails_is_counted_as_500(db: None) -> None:
    labels = {"route": "session-list", "method": "POST", "status": "500"}
    before = requests_counted(**labels)

    def fail(*_: Any) -> Any:
        raise RuntimeError("the database fell over")

    with connection.execute_wrapper(fail):
        Visitor(raise_request_exception=False).start()

    assert requests_counted(**labels) == before + 1


def test_clients_cannot_create_new_series(visitor: Visitor) -> None:
    visitor.get("/nowhere")
    visitor.generic("BREW", "/nowhere")
    uploaded(visitor)
    visitor.get("/api/v1/uploads/11111111-1111-4111-8111-111111111111/")
    before = len(scraped()["maria_requests"].samples)

    for number in range(30):
        visitor.get(f"/nowhere/{number}?a={number}")
        visitor.generic(f"BREW{number}", f"/{number}")
        visitor.get(f"/api/v1/uploads/11111111-1111-4111-8111-{number:012}/")
        visitor.get("/nowhere", headers={"User-Agent": f"agent {number}"})

    assert len(scraped()["maria_requests"].samples) == before


def test_refusals_are_counted_by_their_policy(db: None, settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["1/d", "600/d"]}
    before = figure("maria_rate_limited_total", policy="create-86400s") or 0.0

    for _ in range(3):
        Visitor().start()

    assert figure("maria_rate_limited_total", policy="create-86400s") == before + 2


def test_the_database_reports_sessions_and_files(db: None) -> None:
    first, second, third, fourth = started(), started(), started(), started()
    upload = uploaded(first, pdf(size=2000))
    uploaded(first, pdf(size=3000))
    first.delete_upload(str(upload.pk))
    uploaded(second, pdf(size=1500))
    second.end()
    expire(third)  # nothing is recorded yet
    fourth.reset()

    result = {family.name: {tuple(s.labels.values()): s.value for s in family.samples}
            for family in scraped().values()}  # fmt: skip

    assert result["maria_database_up"] == {(): 1}
    assert result["maria_sessions"] == {
        ("active",): 3, ("expired",): 0, ("reset",): 1, ("ended",): 1, ("revoked",): 0,
        ("erased",): 0,
    }  # fmt: skip
    assert result["maria_sessions_live"] == {(): 2}
    assert result["maria_sessions_started"] == {(): 5}
    assert result["maria_uploads"][("stored",)] == 2
    assert result["maria_uploads"][("deleted",)] == 1
    assert result["maria_upload_bytes"][("stored",)] == 4500
    assert ("deleted",) not in result["maria_upload_bytes"]


def test_the_queue_and_the_heartbeat_are_reported(db: None) -> None:
    assert figure("maria_worker_heartbeat_timestamp_seconds") is None
    now = timezone.now()
    Success.objects.create(
        id="beat", name="beat", func=HEARTBEAT_FUNC, success=True,
        started=now - timedelta(seconds=90), stopped=now - timedelta(seconds=90),
    )  # fmt: skip
    for key in ("a", "b"):
        OrmQ.objects.create(key=key, payload="x")
    DATABASE_FIGURES.forget()

    assert figure("maria_queue_tasks") == 2
    then = (now - timedelta(seconds=90)).timestamp()
    assert figure("maria_worker_heartbeat_timestamp_seconds") == pytest.approx(then)


def test_the_last_cleanup_is_reported(visitor: Visitor) -> None:
    assert figure("maria_cleanup_start_timestamp_seconds") is None
    assert figure("maria_cleanup_alarm") == 0  # a new installation
    first = timezone.now() - PATIENCE
    Success.objects.create(
        id="first", name="first", func="x", started=first, stopped=first, success=True
    )
    DATABASE_FIGURES.forget()
    assert figure("maria_cleanup_alarm") == 1  # no run has completed yet
    upload = uploaded(visitor)
    visitor.end()
    age_session(visitor.row, timedelta(days=8))
    plant("uploads/11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222.pdf",
          age=timedelta(hours=1))  # fmt: skip
    call_command("cleanup_orphans", verbosity=0)
    call_command("cleanup_orphans", dry_run=True, verbosity=0)
    then = timezone.now() - timedelta(seconds=70)
    CleanupRun.objects.filter(dry_run=False).update(started_at=then)
    DATABASE_FIGURES.forget()

    upload.refresh_from_db()
    assert upload.status == "deleted"
    assert figure("maria_cleanup_removed") == 1
    assert figure("maria_cleanup_errors") == 0
    assert figure("maria_cleanup_completed") == 1
    assert figure("maria_cleanup_alarm") == 0
    kinds = {s.labels["kind"]: s.value for s in scraped()["maria_cleanup_findings"].samples}
    assert kinds == CleanupRun.objects.filter(dry_run=False).get().findings
    assert sum(kinds.values()) == 2
    assert figure("maria_cleanup_start_timestamp_seconds") == pytest.approx(then.timestamp())


def test_a_cleanup_that_was_stopped_is_reported_as_such(visitor: Visitor, own_store: Path) -> None:
    uploaded(visitor)
    call_command("cleanup_orphans", verbosity=0)
    (own_store / "marker.json").unlink()
    with pytest.raises(SystemExit):
        call_command("cleanup_orphans", verbosity=0)

    assert figure("maria_cleanup_completed") == 0
    assert figure("maria_cleanup_alarm") == 1


@pytest.mark.both
def test_figures_are_cached_for_a_while(db: None) -> None:
    assert figure("maria_sessions_started_total") == 0
    started()

    with connection.execute_wrapper(no_query):
        assert figure("maria_sessions_started_total") == 0
    DATABASE_FIGURES.forget()
    assert figure("maria_sessions_started_total") == 1


def no_query(*_: Any) -> Any:
    raise AssertionError("the database was queried")


@pytest.mark.both
def test_the_number_of_queries_is_constant(db: None, django_assert_num_queries: Any) -> None:
    call_command("cleanup_orphans", verbosity=0)
    for _ in range(2):
        with django_assert_num_queries(9):
            scraped()
        for _ in range(4):
            uploaded(started())
        DATABASE_FIGURES.forget()


def away(*_: Any) -> Any:
    raise OperationalError("the database is away")


@pytest.mark.both
def test_without_the_database_its_figures_are_missing_and_that_is_reported(db: None) -> None:
    with connection.execute_wrapper(away):
        result = scraped()

    assert [s.value for s in result["maria_database_up"].samples] == [0]
    assert "maria_requests" in result
    assert not {name for name in result if re.match("maria_(sessions|upload|queue|cleanup)", name)}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read(db: None, address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 200


@cases("address", [STRANGER, "::ffff:203.0.113.9", "2001:db8::1", "", "unix:"])
def test_other_addresses_are_refused_without_information(address: str) -> None:
    refused = Client(REMOTE_ADDR=address).get("/metrics")

    assert refused.status_code == 403
    assert refused["Content-Type"].startswith("text/plain")
    assert refused.content == (
        b"Send METRICS_TOKEN as a bearer token, or connect from METRICS_NETWORKS.\n"
    )


@cases(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"],
)
@cases("value", ["203.0.113.9", "127.0.0.1", "::1", "garbage", ""])
@cases("proxies", [0, 1, 2])
def test_a_request_through_a_local_proxy_is_not_local(
    settings: Any, header: str, value: str, proxies: int
) -> None:
    settings.TRUSTED_PROXIES = proxies

    assert Client(headers={header: value}).get("/metrics").status_code == 403


@cases(
    ("proxies", "forwarded", "status"),
    [
        (1, "10.1.2.3", 200), (1, "10.1.2.3, 203.0.113.9", 403), (1, "203.0.113.9, 10.1.2.3", 200),
        (2, "10.1.2.3, 10.9.9.9", 200), (2, "10.1.2.3, 203.0.113.9, 10.9.9.9", 403),
        (0, "10.1.2.3", 403),
    ],
)  # fmt: skip
def test_a_network_behind_our_own_proxies_may_read_if_it_is_listed(
    db: None, settings: Any, proxies: int, forwarded: str, status: int
) -> None:
    settings.METRICS_NETWORKS = ["10.0.0.0/8"]
    settings.TRUSTED_PROXIES = proxies

    client = Client(REMOTE_ADDR="10.9.9.9", headers={"X-Forwarded-For": forwarded})

    assert client.get("/metrics").status_code == status


@cases(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer  {TOKEN} ", 200),
        (f"Bearer {TOKEN}x", 403), (f"Bearer {TOKEN[:-1]}", 403), (f"Bearer {TOKEN.upper()}", 403),
        (TOKEN, 403), (f"Basic {TOKEN}", 403), ("Bearer", 403), ("Bearer ", 403), ("", 403),
        ("Bearer \u00fc\u00ff", 403), ("Bearer None", 403),
    ],
)  # fmt: skip
def test_the_token_gives_access_from_any_address(
    db: None, settings: Any, authorization: str, status: int
) -> None:
    settings.METRICS_TOKEN = TOKEN
    client = Client(REMOTE_ADDR=STRANGER, headers={"Authorization": authorization})

    assert client.get("/metrics").status_code == status
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 403


def test_without_networks_only_the_token_gives_access(settings: Any) -> None:
    settings.METRICS_NETWORKS = []

    assert Client().get("/metrics").status_code == 403


def test_staff_and_visitor_cookies_give_no_access(visitor: Visitor, make_staff: Any) -> None:
    for client in (visitor, make_staff(AUDITOR)):
        assert client.get("/metrics", REMOTE_ADDR=STRANGER).status_code == 403


def test_it_is_only_read_and_never_cached(db: None) -> None:
    response = Client().get("/metrics")

    assert "no-store" in response["Cache-Control"]
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert Client().post("/metrics").status_code == 405


def test_the_figures_are_those_that_operations_names(visitor: Visitor, settings: Any) -> None:
    call_command("cleanup_orphans", verbosity=0)
    uploaded(visitor)  # it waits for its inspection
    now = timezone.now()
    Success.objects.create(id="b", name="b", func=HEARTBEAT_FUNC, started=now, stopped=now)
    DATABASE_FIGURES.forget()
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(maria_\w+)[`{]", text, re.MULTILINE))

    families = {
        f"{name}_total" if family.type == "counter" else name
        for name, family in scraped().items()
        if name.startswith("maria_")
    }

    assert documented == families


# https://prometheus.io/docs/practices/naming/
NO_BASE_UNIT = "_(age|ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)"


def test_names_follow_the_conventions_of_prometheus(visitor: Visitor) -> None:
    call_command("cleanup_orphans", verbosity=0)
    uploaded(visitor)
    for name, family in scraped().items():
        if not name.startswith("maria_"):
            continue
        assert family.documentation.endswith("."), name
        assert not re.search(NO_BASE_UNIT, name)
        if family.type == "gauge":
            assert not name.endswith(("_total", "_count", "_sum", "_bucket")), name
        for words, end in (
            ("Seconds", "_seconds"),
            ("ytes", "_bytes"),
            ("When", "_timestamp_seconds"),
        ):
            assert words not in family.documentation or name.endswith(end), name


def test_figures_of_the_deployment_come_from_one_host(db: None) -> None:
    started()
    other = RollCall(ProcessKind.WEB, VERSION, "0-first-by-name")
    other.call()
    assert figure("maria_sessions_live") is None
    assert figure("maria_database_up") == 1
    other.leave()
    RollCall(ProcessKind.WORKER, VERSION, "0-first-by-name").call()
    DATABASE_FIGURES.forget()
    assert figure("maria_sessions_live") == 1


@pytest.mark.slow
def test_a_real_server_separates_its_metrics_without_any_database(tmp_path: Path) -> None:
    port = free_port()
    env = environment(tmp_path, DATABASE_URL=f"postgres://maria@127.0.0.1:{free_port()}/none")
    url = f"http://127.0.0.1:{port}/metrics"
    with process([sys.executable, "-m", "maria_project.web", "127.0.0.1", str(port)], env, tmp_path / "log"):  # fmt: skip
        wait_for(lambda: _listens(url), what="the server")
        answer = requests.get(url, timeout=30)

    assert answer.status_code == 200
    assert [s.value for s in parsed(answer.text)["maria_database_up"].samples] == [0]


def _listens(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=30).status_code)
    except requests.ConnectionError:
        return False
