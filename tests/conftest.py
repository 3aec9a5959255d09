"""Fixtures of all tests."""

import io
import logging
import os
from collections.abc import Generator, Iterator
from functools import cache as cache_calls
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from django.conf import settings as project
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils.module_loading import import_string

from common import deleted_rows
from tests import databases, s3_server
from tests.helpers import Visitor, started
from tests.ordering import slow_first
from tests.uploads_app.cleanup.moving_support import Relocation, disk, on
from tests.uploads_app.spooled import BOTH_WAYS, keep_spool_elsewhere


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a module without a test that the run selects."""
    wants_both = config.option.markexpr == "both"
    if wants_both and collection_path.match("test_*.py"):
        return "mark.both" not in collection_path.read_text() or None
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, in every process of the run."""
    items[:] = slow_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(autouse=True)
def static_files_as_they_are_requested(settings: Any) -> None:
    """Cache the list of static files: each test client loads the middleware again."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """Give this process a copy of the run's database.

    SQLite is tested on a file, as it is used: in memory it has other locks, and no WAL.
    """
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    with django_db_blocker.unblock(), databases.prepare(worker):
        # `transactional_db` calls this when a test has committed.
        TransactionTestCase._fixture_teardown = _empty_database  # type: ignore[attr-defined]
        yield


def _empty_database(case: TransactionTestCase) -> None:
    databases.empty()


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, settings: Any) -> Path:
    """Give each test an empty store, and an empty spool on the same file system."""
    root = tmp_path / "storage"
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path.with_name(f"{tmp_path.name}-spool")
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    settings.STORAGES = {
        **settings.STORAGES,
        "uploads": {**settings.STORAGES["uploads"], "OPTIONS": {"location": root}},
    }
    return root


@pytest.fixture(autouse=True)
def rewrite_only_outside_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an erasure complete in the transaction of a test, where SQLite cannot be rewritten."""
    rewrite = deleted_rows._rewrite

    def rewrite_if_possible(*arguments: Any) -> bool:
        return connection.in_atomic_block or rewrite(*arguments)

    monkeypatch.setitem(deleted_rows._REMOVERS, "sqlite", rewrite_if_possible)


@pytest.fixture(params=BOTH_WAYS)
def link_or_copy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a store on disk link files of the spool, and copy them."""
    if request.param == "copied":
        keep_spool_elsewhere(monkeypatch)
    return str(request.param)


@pytest.fixture(scope="session", autouse=True)
def one_reading_of_the_s3_models() -> None:
    """Parse boto3's models of S3 once for all clients: each test has a client, a process only one."""
    botocore.session.create_loader = cache_calls(botocore.session.create_loader)


@pytest.fixture(scope="session")
def s3_process() -> Iterator[s3_server.S3Server]:
    """The S3 server of this process of the run, started for the first test that needs it."""
    s3_server.need_s3()
    with s3_server.serving() as server:
        yield server


@pytest.fixture
def s3(
    own_store: Path, s3_process: s3_server.S3Server, settings: Any
) -> Iterator[s3_server.Bucket]:
    """Give the test an empty bucket as its store; `s3.url` is the STORAGE_URL for other processes."""
    with s3_server.fresh_bucket(s3_process) as bucket:
        settings.STORAGES = bucket.storages(settings)
        yield bucket


@pytest.fixture
def relocation(
    request: pytest.FixtureRequest, settings: Any, tmp_path: Path
) -> Iterator[Relocation]:
    """A deployment before a move of its files: `disk to S3`, or the direction of its parameter."""
    folders = [disk(tmp_path / "old"), disk(tmp_path / "new")]
    direction = getattr(request, "param", "disk to S3")
    if "S3" in direction:
        request.getfixturevalue("s3")
        folders[direction.startswith("disk")] = settings.STORAGES["uploads"]
    relocation = Relocation(settings, *folders)
    relocation.before()
    yield relocation
    on.clear()


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Reset rate limits between tests."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def cache_in_step(settings: Any, tmp_path: Path) -> None:
    """Expire cached values by the test's clock, because no test can change the clock of Redis."""
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        name: {"BACKEND": backend, "LOCATION": str(tmp_path)} for name in settings.CACHES
    }


@pytest.fixture
def committed(transactional_db: None) -> None:
    """Let the test commit for real, for threads and other processes; see `databases.empty`."""


@pytest.fixture
def visitor(db: None) -> Visitor:
    """A visitor with a new session."""
    return started()


@pytest.fixture
def make_staff(db: None) -> Any:
    """Return a function that makes a staff user of a group and signs them in."""

    def make(group: str = "", **extra: Any) -> Client:
        user = User.objects.create_user(f"staff-{User.objects.count()}", is_staff=True, **extra)
        if group:
            user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """All log lines at DEBUG, SQL included, as the product's own handler writes them."""
    config = project.LOGGING
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.addFilter(import_string(config["filters"]["context"]["()"])())
    formatter = dict(config["formatters"]["json"])
    handler.setFormatter(import_string(formatter.pop("()"))(**formatter))
    watched = [logging.getLogger(), logging.getLogger("django.db.backends")]
    levels = [logger.level for logger in watched]
    watched[0].addHandler(handler)
    for logger in watched:
        logger.setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    yield sink
    connection.force_debug_cursor = False
    watched[0].removeHandler(handler)
    for logger, level in zip(watched, levels, strict=True):
        logger.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make reports safe to send between processes, because tests log hostile text."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the number of tests that ran to a file, if the runner has named one."""
    if file := os.environ.get("MARIA_TEST_COUNT"):
        ran = ("passed", "failed", "error")
        Path(file).write_text(str(sum(len(terminalreporter.stats.get(kind, [])) for kind in ran)))
