"""A thread in which a process reports itself, measures its clock, and compares all processes.

It runs in every web process and in every process of a worker that runs tasks.
"""

import logging
import socket
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now

from backoffice_app.hosts import alerts, fingerprints
from backoffice_app.hosts.differences import REPORTED_WITHIN, Difference, differences, reports
from backoffice_app.models import ProcessKind, ProcessReport
from common import migration_names
from common.clock import DATABASE_CLOCK

INTERVAL_SECONDS = 30

logger = logging.getLogger(__name__)


class RollCall:
    """What one process reports. `host` is for tests."""

    def __init__(self, kind: ProcessKind, version: str, host: str = "") -> None:
        self._report = ProcessReport(
            host=host or socket.gethostname(),
            kind=kind,
            version=version,
            migrations=migration_names.newest(),
            keys=fingerprints.of_keys(),
            settings=fingerprints.of_settings(with_web=kind == ProcessKind.WEB),
        )
        self._known: set[str] = set()

    def call(self) -> None:
        """Report this process, and compare those that have reported lately."""
        self._report.clock_offset = DATABASE_CLOCK.measure()
        self._report.seen_at = Now()
        with transaction.atomic():
            ProcessReport.objects.filter(seen_at__lte=Now() - REPORTED_WITHIN).delete()
            ProcessReport.objects.bulk_create(
                [self._report],
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=["clock_offset", "seen_at"],
            )
        found = differences(reports())
        self._log(found)
        if self._report.kind == ProcessKind.WORKER:
            alerts.watch(found)

    def leave(self) -> None:
        """Delete the report of this process, because it ends."""
        ProcessReport.objects.filter(pk=self._report.pk).delete()

    def _log(self, found: list[Difference]) -> None:
        names = {difference.name for difference in found}
        if names - self._known:
            logger.warning("Processes differ. %s", " ".join(f"{one.details}." for one in found))
        elif self._known and not names:
            logger.warning("All processes agree again.")
        self._known = names


def begin(kind: ProcessKind, version: str) -> None:
    """Start the thread of this process. It ends after the main thread, which waits for it."""
    threading.Thread(target=_call_until_the_end, args=(kind, version), name="roll call").start()


def _call_until_the_end(kind: ProcessKind, version: str) -> None:
    _try(DATABASE_CLOCK.measure)  # before the first event
    roll_call, main = RollCall(kind, version), threading.main_thread()
    while main.is_alive():
        _try(roll_call.call)
        main.join(INTERVAL_SECONDS)
    _try(roll_call.leave)


def _try(step: Callable[[], object]) -> None:
    try:
        step()
    except (DatabaseError, InterfaceError):
        logger.debug("The database did not take a report.", exc_info=True)  # health says why
    except Exception:  # otherwise the thread would end, and with it all later reports
        logger.exception("The comparison of processes failed.")
    finally:
        connection.close()
