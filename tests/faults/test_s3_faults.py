"""An S3 server or network that fails: answers are correct, live files stay, requests end in time.

Each mode of the fault proxy is tried with each kind of S3 operation, through the
product's endpoint, task or command that uses it. The time limit follows from the
number of S3 answers that a request waits for and from the product's deadlines.
One real run (SOAK) measures it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from sessions_app import tasks
from tests import fault_proxy
from tests.fault_proxy import MODES, OPERATIONS, FaultProxy
from tests.faults.load import LoadAnswer, Web, together
from tests.faults.load import serving as serving_web
from tests.helpers import SOAK, Visitor, events, pdf, started, uploaded
from tests.maria_project.server import wait_for
from tests.s3_server import Bucket
from tests.uploads_app.cleanup.cleanup_support import cleanup, last_run, settled
from tests.uploads_app.server import deployment
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.base import Marker, object_store
from uploads_app.storage.s3_store import S3Store

MAX_SECONDS = 25
ATTEMPTS = 2
PAUSE = 1
# Modes under which every operation succeeds.
HARMLESS = {"claim complete", "wrong etag", "skewed date"}
# An answer without content cannot be truncated.
HARMLESS_AT = {(mode, at) for mode in ("cut", "shorten") for at in ("put", "clock", "head")}
WITHIN_THE_LIFE_OF_A_LEASE = ("--older-than", "0s")


@pytest.fixture
def proxy(s3: Bucket) -> Iterator[FaultProxy]:
    with fault_proxy.serving(s3.endpoint) as running:
        yield running


@pytest.fixture
def visitor(
    db: None, s3: Bucket, proxy: FaultProxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Visitor:
    """A visitor whose uploads go to a store behind the proxy; retries do not wait."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    settings.STORAGES = s3.storages(settings, endpoint_url=proxy.endpoint)
    settings.UPLOAD_LEASE = timedelta(0)  # the cleanup may take over a dead upload at once
    settings.UPLOAD_MAX_FILES = 9
    visitor = started()
    visitor.raise_request_exception = False
    return visitor


@contextmanager
def short_timeout(settings: Any, s3: Bucket, proxy: FaultProxy) -> Iterator[None]:
    """Use a shorter read timeout than the product, so that a stall ends soon."""
    before = settings.STORAGES
    config = S3Store(bucket_name=s3.name).client_config.merge(Config(read_timeout=0.3))
    settings.STORAGES = s3.storages(settings, endpoint_url=proxy.endpoint, client_config=config)
    yield
    settings.STORAGES = before


def perform(
    operation: str, visitor: Visitor, s3: Bucket, kept: UploadedFile, victim: UploadedFile
) -> bool:
    """Use the operation, check that the answer is correct, and return whether it succeeded."""
    match operation:
        case "put":
            answer = visitor.upload(pdf("new"))
            return succeeded_or_503(answer, 201)
        case "get":
            answer = visitor.get(f"/api/v1/uploads/{kept.pk}/download/")
            return succeeded_or_503(answer, 200) and answer.getvalue() == pdf("kept")
        case "delete":
            assert visitor.delete_upload(str(victim.pk)).status_code == 204
            victim.refresh_from_db()
            return victim.status == UploadStatus.DELETED
        case "clock":
            return str(visitor.get("/health/ready").json()["parts"]["storage"]) == "ok"
        case "head":
            s3.client.delete_object(Bucket=s3.name, Key=victim.key)
            result = cleanup(*WITHIN_THE_LIFE_OF_A_LEASE)
            s3.plant(victim.key, pdf("victim"))
            victim.refresh_from_db()
            assert (victim.status == UploadStatus.MISSING) == (result.exit_code == 0)
            return result.exit_code == 0
        case _:
            result = cleanup(*WITHIN_THE_LIFE_OF_A_LEASE)
            assert (result.exit_code, last_run().removed) in {(0, 0), (3, 0)}
            return result.exit_code == 0


def succeeded_or_503(answer: Any, success: int) -> bool:
    """Return whether a request succeeded; if not, check for a 503 with Retry-After."""
    if answer.status_code == success:
        return True
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert int(answer["Retry-After"]) > 0
    return False


def assert_rows_match(s3: Bucket, kept: UploadedFile) -> None:
    """Check that stored files have an object and deleted files do not."""
    there = s3.keys("uploads/")
    for row in UploadedFile.objects.all():
        assert row.status != UploadStatus.STORED or row.key in there, row
        assert row.status != UploadStatus.DELETED or row.key not in there, row
    kept.refresh_from_db()
    assert kept.status == UploadStatus.STORED
    assert s3.read(kept.key) == pdf("kept")


def assert_repaired(s3: Bucket) -> None:
    """Run the cleanup once and check that rows and objects match."""
    settled(*WITHIN_THE_LIFE_OF_A_LEASE)
    stored = UploadedFile.objects.filter(status=UploadStatus.STORED)
    assert s3.keys("uploads/") == set(stored.values_list("key", flat=True))
    open_rows = (UploadStatus.PENDING, UploadStatus.DELETING, UploadStatus.MISSING)
    assert not UploadedFile.objects.filter(status__in=open_rows).exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_t37_failing_store_is_reported_correctly_and_repaired_by_one_cleanup(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, settings: Any, mode: str
) -> None:
    kept = uploaded(visitor, pdf("kept"))
    object_store().delete_many(
        ["uploads/nothing"]
    )  # the store checks once whether versioning is on
    for operation in OPERATIONS:
        victim = uploaded(visitor, pdf("victim"))
        failures = proxy.failures

        patience = short_timeout(settings, s3, proxy) if mode == "stall" else nullcontext()
        with patience, proxy.failing(mode, operation):
            succeeded = perform(operation, visitor, s3, kept, victim)

        assert succeeded == (mode in HARMLESS or (mode, operation) in HARMLESS_AT), operation
        # A busy machine may exceed the short timeout before the proxy stalls.
        assert proxy.failures > failures or mode == "stall", operation
        assert succeeded or proxy.failures - failures <= ATTEMPTS, operation
        assert_rows_match(s3, kept)
        assert_repaired(s3)
    assert perform("get", visitor, s3, kept, kept)


def test_t37_upload_whose_answer_is_lost_succeeds_on_the_second_attempt(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy
) -> None:
    uploaded(visitor)

    with proxy.failing("drop", "put", times=1):
        upload = uploaded(visitor, pdf("lost once"))

    assert proxy.failures == 1
    assert s3.read(upload.key) == pdf("lost once")
    assert events(visitor.uuid).count("upload.stored") == 2
    assert len(s3.keys("uploads/")) == 2


def test_t37_marker_whose_answer_is_lost_belongs_to_this_deployment(
    visitor: Visitor, proxy: FaultProxy
) -> None:
    with proxy.failing("drop", "put", times=2):
        assert not succeeded_or_503(visitor.upload(), 201)
    marker = object_store().read_marker()

    assert succeeded_or_503(visitor.upload(), 201)
    assert object_store().read_marker() == marker
    settled()


def test_t38_deadlines_of_one_operation_add_up_to_less_than_25_seconds() -> None:
    config: Any = S3Store(bucket_name="any").client_config
    assert config.retries["total_max_attempts"] == ATTEMPTS
    assert config.retries["mode"] == "standard"
    assert ATTEMPTS * (config.connect_timeout + config.read_timeout) + PAUSE <= MAX_SECONDS


@pytest.mark.parametrize("count", [1, 5])
def test_t38_request_about_many_files_stops_at_the_first_failure(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, count: int
) -> None:
    files = [uploaded(visitor, pdf(str(number))) for number in range(count)]
    object_store().delete_many(["uploads/nothing"])
    failures = proxy.failures

    with proxy.failing("unavailable"):
        assert visitor.erase().status_code == 204

    assert proxy.failures - failures == ATTEMPTS
    assert s3.keys("uploads/") == {file.key for file in files}
    assert_repaired(s3)
    assert s3.keys("uploads/") == set()


def test_t38_sweep_of_many_erasures_stops_at_its_deadline(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors = [visitor, started()]
    for one in visitors:
        uploaded(one)
    with proxy.failing("unavailable"):
        assert [one.erase().status_code for one in visitors] == [204, 204]
        failures = proxy.failures
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "SWEEP_SECONDS", 0)
            assert tasks.forget_visitors() == 0
        assert proxy.failures - failures == ATTEMPTS

    assert tasks.forget_visitors() == 2
    assert s3.keys("uploads/") == set()


def test_t38_first_upload_stops_at_the_first_failure(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy
) -> None:
    """The first upload reads the marker, lists the store, and writes the marker."""
    for operation in ("get", "list", "put"):
        failures = proxy.failures
        with proxy.failing("unavailable", operation):
            assert not succeeded_or_503(visitor.upload(), 201)
        assert proxy.failures - failures == ATTEMPTS
        assert s3.keys() == set()
    assert succeeded_or_503(visitor.upload(), 201)


@pytest.mark.parametrize("days", [-3, 3])
def test_t58_store_with_a_wrong_clock_loses_nothing(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, days: int
) -> None:
    kept = uploaded(visitor, pdf("kept"))
    orphan = s3.plant(kept.key.replace(kept.key[8:44], kept.key[45:81], 1))
    proxy.skew = lambda shown: shown + timedelta(days=days)

    with proxy.failing("skewed date"):
        result = cleanup(*WITHIN_THE_LIFE_OF_A_LEASE)

    assert (result.exit_code, last_run().stop_code) == (3, "clocks_differ")
    assert s3.keys("uploads/") == {kept.key, orphan}
    assert_rows_match(s3, kept)


def test_marker_written_twice_is_the_same_marker(visitor: Visitor, proxy: FaultProxy) -> None:
    with proxy.failing("drop", "put", times=1):
        object_store().write_marker(Marker("deployment", 7))

    assert object_store().read_marker() == Marker("deployment", 7)


@pytest.mark.slow
def test_t38_a_store_that_hangs_delays_only_requests_that_need_it(
    s3: Bucket, proxy: FaultProxy, tmp_path: Path
) -> None:
    env = deployment(tmp_path / "data", s3.url_at(proxy.endpoint)).environment
    away, back = "does not answer", "answers again"
    with serving_web(tmp_path, {**env, "UPLOAD_MAX_FILES": "99"}) as web:
        web.begin()
        assert upload_file(web).status == 201
        with ThreadPoolExecutor(20) as pool:
            with proxy.failing("stall"):
                uploads = [pool.submit(upload_file, web) for _ in range(20)]
                wait_for(lambda: proxy.failures, what="an upload to wait")
                for job in [web.current, web.create, web.files] * 5:
                    assert job().status in (200, 201)
                    assert web.ask("GET", "/health/live").status == 200
                assert not any(upload.done() for upload in uploads)
                web.wait_for_health("storage", "degraded")
            answers = [upload.result() for upload in uploads]
            web.wait_for_health("storage", "ok")
        assert {answer.status for answer in answers} <= {201, 503}
        assert upload_file(web).status == 201
        assert (web.logged(away), web.logged(back)) == (1, 1)
        assert not web.logged("Traceback")


@pytest.mark.slow
@pytest.mark.skipif(not SOAK, reason="waits for the real deadlines of the product; set SOAK=1")
def test_t38_requests_end_in_time_while_the_store_stalls(
    s3: Bucket, proxy: FaultProxy, tmp_path: Path
) -> None:
    env = deployment(tmp_path / "data", s3.url_at(proxy.endpoint)).environment
    with serving_web(tmp_path, {**env, "UPLOAD_MAX_FILES": "9"}) as web:
        web.begin()
        ids = [upload_file(web).document["id"] for _ in range(3)]
        jobs: list[Callable[[], LoadAnswer]] = [
            lambda: upload_file(web),
            lambda: send(web, "GET", f"uploads/{ids[0]}/download/"),
            lambda: send(web, "DELETE", f"uploads/{ids[1]}/"),
        ]
        with proxy.failing("stall"):
            answers = together(jobs, len(jobs))
            erased = send(web, "DELETE", "sessions/current/?erase=true")

    assert [answer.status for answer in [*answers, erased]] == [503, 503, 204, 204]
    assert max(answer.seconds for answer in [*answers, erased]) < MAX_SECONDS


def send(web: Web, method: str, path: str, **extra: Any) -> LoadAnswer:
    """Send a request with the session's proof."""
    proof = {"Cookie": web.cookie, "X-Session-UUID": web.uuid}
    return web.ask(method, f"/api/v1/{path}", headers=proof, **extra)


def upload_file(web: Web) -> LoadAnswer:
    return send(web, "POST", "uploads/", files={"file": ("a.pdf", pdf())})
