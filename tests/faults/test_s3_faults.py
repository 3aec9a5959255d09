"""An S3 server or a network before it that fails: nobody is told a lie, nothing live goes, each request ends.

Every mode of the fault proxy spoils every kind of operation at the door of ours
that uses it. That a request ends in time follows from how many answers it waits
for, and from the product's own deadlines, which one real run keeps to the second.
"""

from collections.abc import Callable, Iterator
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
from tests.s3_server import Bucket
from tests.uploads_app.cleanup.cleanup_support import cleanup, last_run, settled
from tests.uploads_app.server import deployment
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.base import Marker, object_store
from uploads_app.storage.s3_store import S3Store

PROMISE = 25
ATTEMPTS = 2
PAUSE = 1
# Modes that leave an operation as good as it was, and what they do not fail at besides.
HARMLESS = {"claim complete", "wrong etag", "skewed date"}
# Answers without content cannot lose any of it.
HARMLESS_AT = {(mode, at) for mode in ("cut", "shorten") for at in ("put", "clock", "head")}
WITHIN_THE_LIFE_OF_A_LEASE = ("--older-than", "0s")


@pytest.fixture
def proxy(s3: Bucket) -> Iterator[FaultProxy]:
    """A fault proxy before the bucket."""
    with fault_proxy.serving(s3.endpoint) as running:
        yield running


@pytest.fixture
def visitor(
    db: None, s3: Bucket, proxy: FaultProxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Visitor:
    """A visitor of a product whose store is behind the proxy; tries follow one another at once."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    settings.STORAGES = s3.storages(settings, endpoint_url=proxy.endpoint)
    settings.UPLOAD_LEASE = timedelta(0)  # what dies is the cleanup's at once
    settings.UPLOAD_MAX_FILES = 9
    visitor = started()
    visitor.raise_request_exception = False
    return visitor


@contextmanager
def impatient(settings: Any, s3: Bucket, proxy: FaultProxy) -> Iterator[None]:
    """Wait a shorter time for each answer than the product does, so that a stall is soon over."""
    before = settings.STORAGES
    config = S3Store(bucket_name=s3.name).client_config.merge(Config(read_timeout=0.3))
    settings.STORAGES = s3.storages(settings, endpoint_url=proxy.endpoint, client_config=config)
    yield
    settings.STORAGES = before


def at_the_door(
    operation: str, visitor: Visitor, s3: Bucket, kept: UploadedFile, victim: UploadedFile
) -> bool:
    """Do what needs the operation, check that the answer is true, and say whether it went well."""
    match operation:
        case "put":
            answer = visitor.upload(pdf("new"))
            return reported_well(answer, 201)
        case "get":
            answer = visitor.get(f"/api/v1/uploads/{kept.pk}/download/")
            return reported_well(answer, 200) and answer.getvalue() == pdf("kept")
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


def reported_well(answer: Any, success: int) -> bool:
    """Say whether a request succeeded; if not, it was told to come again."""
    if answer.status_code == success:
        return True
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert int(answer["Retry-After"]) > 0
    return False


def assert_true(s3: Bucket, kept: UploadedFile) -> None:
    """Check that what the rows say is so: stored files are there, deleted ones are not."""
    there = s3.keys("uploads/")
    for row in UploadedFile.objects.all():
        assert row.status != UploadStatus.STORED or row.key in there, row
        assert row.status != UploadStatus.DELETED or row.key not in there, row
    kept.refresh_from_db()
    assert kept.status == UploadStatus.STORED
    assert s3.read(kept.key) == pdf("kept")


def assert_repaired(s3: Bucket) -> None:
    """Run the cleanup once and check that rows and objects are the same files."""
    settled(*WITHIN_THE_LIFE_OF_A_LEASE)
    stored = UploadedFile.objects.filter(status=UploadStatus.STORED)
    assert s3.keys("uploads/") == set(stored.values_list("key", flat=True))
    open_rows = (UploadStatus.PENDING, UploadStatus.DELETING, UploadStatus.MISSING)
    assert not UploadedFile.objects.filter(status__in=open_rows).exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_t37_a_failing_store_is_reported_truly_and_repaired_by_one_cleanup(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, settings: Any, mode: str
) -> None:
    kept = uploaded(visitor, pdf("kept"))
    object_store().delete_many(["uploads/nothing"])  # it asks once whether versions are kept
    for operation in OPERATIONS:
        victim = uploaded(visitor, pdf("victim"))
        failures = proxy.failures

        patience = impatient(settings, s3, proxy) if mode == "stall" else nullcontext()
        with patience, proxy.failing(mode, operation):
            succeeded = at_the_door(operation, visitor, s3, kept, victim)

        assert succeeded == (mode in HARMLESS or (mode, operation) in HARMLESS_AT), operation
        # A busy machine may be too slow for the impatient, before it comes to the stall.
        assert proxy.failures > failures or mode == "stall", operation
        assert succeeded or proxy.failures - failures <= ATTEMPTS, operation
        assert_true(s3, kept)
        assert_repaired(s3)
    assert at_the_door("get", visitor, s3, kept, kept)


def test_t37_an_upload_whose_answer_is_lost_once_is_found_by_its_second_try(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy
) -> None:
    uploaded(visitor)

    with proxy.failing("drop", "put", times=1):
        upload = uploaded(visitor, pdf("lost once"))

    assert proxy.failures == 1
    assert s3.read(upload.key) == pdf("lost once")
    assert events(visitor.uuid).count("upload.stored") == 2
    assert len(s3.keys("uploads/")) == 2


def test_t37_a_marker_whose_answer_is_lost_is_our_own(visitor: Visitor, proxy: FaultProxy) -> None:
    with proxy.failing("drop", "put", times=2):
        assert not reported_well(visitor.upload(), 201)
    marker = object_store().read_marker()

    assert reported_well(visitor.upload(), 201)
    assert object_store().read_marker() == marker
    settled()


def test_t38_the_deadlines_of_one_operation_add_up_to_less_than_25_seconds() -> None:
    config: Any = S3Store(bucket_name="any").client_config
    assert config.retries["total_max_attempts"] == ATTEMPTS
    assert config.retries["mode"] == "standard"
    assert ATTEMPTS * (config.connect_timeout + config.read_timeout) + PAUSE <= PROMISE


@pytest.mark.parametrize("count", [1, 5])
def test_t38_a_request_about_many_files_gives_up_at_the_first_that_fails(
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


def test_t38_a_sweep_of_many_erasures_ends_in_time_too(
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


def test_t38_a_first_upload_gives_up_at_the_first_that_fails(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy
) -> None:
    """It has the marker to look for, the store to look through, and the marker to make."""
    for operation in ("get", "list", "put"):
        failures = proxy.failures
        with proxy.failing("unavailable", operation):
            assert not reported_well(visitor.upload(), 201)
        assert proxy.failures - failures == ATTEMPTS
        assert s3.keys() == set()
    assert reported_well(visitor.upload(), 201)


@pytest.mark.parametrize("days", [-3, 3])
def test_t58_a_store_whose_clock_is_wrong_loses_nothing(
    visitor: Visitor, s3: Bucket, proxy: FaultProxy, days: int
) -> None:
    kept = uploaded(visitor, pdf("kept"))
    orphan = s3.plant(kept.key.replace(kept.key[8:44], kept.key[45:81], 1))
    proxy.skew = lambda shown: shown + timedelta(days=days)

    with proxy.failing("skewed date"):
        result = cleanup(*WITHIN_THE_LIFE_OF_A_LEASE)

    assert (result.exit_code, last_run().stop_code) == (3, "clocks_differ")
    assert s3.keys("uploads/") == {kept.key, orphan}
    assert_true(s3, kept)


def test_a_marker_that_is_written_twice_is_the_same_marker(
    visitor: Visitor, proxy: FaultProxy
) -> None:
    with proxy.failing("drop", "put", times=1):
        object_store().write_marker(Marker("deployment", 7))

    assert object_store().read_marker() == Marker("deployment", 7)


@pytest.mark.slow
@pytest.mark.skipif(not SOAK, reason="it waits for the product's own deadlines: SOAK=1")
def test_t38_each_request_ends_in_time_while_the_store_stalls(
    s3: Bucket, proxy: FaultProxy, tmp_path: Path
) -> None:
    env = deployment(tmp_path / "data", s3.url_at(proxy.endpoint)).environment
    with serving_web(tmp_path, {**env, "UPLOAD_MAX_FILES": "9"}) as web:
        web.begin()
        ids = [sent(web).document["id"] for _ in range(3)]
        jobs: list[Callable[[], LoadAnswer]] = [
            lambda: sent(web),
            lambda: send(web, "GET", f"uploads/{ids[0]}/download/"),
            lambda: send(web, "DELETE", f"uploads/{ids[1]}/"),
            lambda: web.ask("GET", "/health/ready"),
        ]
        with proxy.failing("stall"):
            answers = together(jobs, len(jobs))
            erased = send(web, "DELETE", "sessions/current/?erase=true")

    assert [answer.status for answer in [*answers, erased]] == [503, 503, 204, 200, 204]
    assert answers[-1].document["parts"]["storage"] == "degraded"
    assert max(answer.seconds for answer in [*answers, erased]) < PROMISE


def send(web: Web, method: str, path: str, **extra: Any) -> LoadAnswer:
    """Ask with the session's proof."""
    proof = {"Cookie": web.cookie, "X-Session-UUID": web.uuid}
    return web.ask(method, f"/api/v1/{path}", headers=proof, **extra)


def sent(web: Web) -> LoadAnswer:
    """Upload a file."""
    return send(web, "POST", "uploads/", files={"file": ("a.pdf", pdf())})
