"""The parts that requests need, and what is wrong with each."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError, connection

from backoffice_app.hosts.differences import differences, reports
from common import migration_names
from common.clock import DATABASE_CLOCK
from common.database_errors import DatabaseFailure, failure_of
from common.worker import is_queue_well
from maria_project import database
from uploads_app import marker
from uploads_app.cleanup import alerts
from uploads_app.services.inspection_queue import longest_wait
from uploads_app.storage.base import object_store

PENDING = "Migrations are pending. Run manage.py migrate."
# Files that fit on the disk of the spool while `spool` is well.
FILES_THAT_FIT = 4
# Beyond this, files wait longer for their inspection than support promises.
INSPECTION_PATIENCE_SECONDS = 30 * 60
# Beyond this, times that a host writes or compares are useless.
CLOCK_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Part:
    """A part, and how to check it.

    `problem` returns what is wrong, in a sentence that anyone may read, or an empty text. It
    may raise an error of the database, or OSError.
    """

    name: str
    problem: Callable[[], str]
    # How often it is checked in the background.
    seconds: float = 10
    # Without it no request can succeed.
    is_essential: bool = False


def problem_of(part: Part) -> str:
    """Check a part now; return what is wrong with it, empty if nothing is."""
    try:
        return part.problem()
    except (DatabaseError, InterfaceError) as error:
        return f"{failure_of(error) or DatabaseFailure.AWAY}."
    except marker.StoreNotOurs:
        return "The store belongs to another database, or is an old copy."
    except OSError:
        return "The store does not answer, or cannot be written."


def is_migrated() -> bool:
    """Return False if `migrate` has something to do."""
    if migration_names.are_recorded():
        return True
    # One without a record may replace others that have one. Only their code says so.
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _database() -> str:
    if not (database.is_available() and database.answers()):
        return f"{DatabaseFailure.AWAY}."
    return "" if database.is_writable() else f"{DatabaseFailure.READ_ONLY}."


def _migrations() -> str:
    if not database.is_available():
        return f"{DatabaseFailure.AWAY}."
    return "" if is_migrated() else PENDING


def _clock() -> str:
    seconds = DATABASE_CLOCK.offset.total_seconds()
    if abs(seconds) <= CLOCK_PATIENCE_SECONDS:
        return ""
    direction = "ahead of" if seconds > 0 else "behind"
    return f"The clock of this host is {abs(seconds):.0f} seconds {direction} the database's."


def _peers() -> str:
    return " ".join(difference.sentence for difference in differences(reports()))


def _cache() -> str:
    # The memory of the process has no such method. Importing Redis for it would cost 9 MiB.
    is_answering = getattr(caches["default"], "is_answering", None)
    if is_answering is None or is_answering():
        return ""
    return "Redis does not answer. Each process counts by itself."


def _storage() -> str:
    object_store().check()
    marker.require_own_store()
    return ""


def _spool() -> str:
    free = shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR).free
    if free >= FILES_THAT_FIT * settings.UPLOAD_MAX_BYTES:
        return ""
    return f"The disk for arriving files has only {free // 1024**2} MiB left."


def _queue() -> str:
    return "" if is_queue_well() else "No worker has finished a task for 6 minutes."


def _cleanup() -> str:
    alert = alerts.current_alert()
    return f"The cleanup has an alert: {alert.code}." if alert else ""


def _inspection() -> str:
    seconds = longest_wait().total_seconds()
    if seconds < INSPECTION_PATIENCE_SECONDS:
        return ""
    return f"A file has waited {seconds // 60:.0f} minutes for its inspection."


# Parts of one group are checked one after the other. A service that hangs delays only its group.
GROUPS: tuple[tuple[Part, ...], ...] = (
    (
        Part("database", _database, seconds=2, is_essential=True),
        Part("migrations", _migrations, is_essential=True),
        # Measured by the roll call, every 30 seconds.
        Part("clock", _clock, is_essential=True),
        Part("queue", _queue),
        Part("cleanup", _cleanup),
        Part("inspection", _inspection),
        Part("peers", _peers),
    ),
    (Part("cache", _cache, seconds=5),),
    (Part("storage", _storage, seconds=5),),
    (Part("spool", _spool),),
)
PARTS = tuple(part for group in GROUPS for part in group)
