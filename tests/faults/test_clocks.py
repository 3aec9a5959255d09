"""A worker whose clock is three days wrong deletes only what is due by the database's clock.

SQLite has no clock of its own. There the worker's clock differs from the
store's clock, and the run stops.
"""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from tests.helpers import events, plant
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    cleanup,
    closed_with_object,
    deleting,
    last_run,
    new_key,
    of_session_ended,
    pending,
    stored,
)
from uploads_app.models import QuarantinedObject, UploadedFile, UploadStatus

pytestmark = pytest.mark.both

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("off", [3 * DAY, -3 * DAY], ids=str)
def test_t58_worker_with_a_wrong_clock_removes_only_what_is_due(
    committed: None, off: timedelta
) -> None:
    kept = {
        stored().pk: UploadStatus.STORED,
        pending(5 * MINUTE).pk: UploadStatus.PENDING,
        of_session_ended(5 * DAY).pk: UploadStatus.STORED,
        closed_with_object(5 * MINUTE).pk: UploadStatus.DELETED,
    }
    due = {
        pending(-HOUR).pk: UploadStatus.LAPSED,
        deleting().pk: UploadStatus.DELETED,
        of_session_ended(11 * DAY).pk: UploadStatus.DELETED,
    }
    plant(new_key(), age=DAY)
    before, events_before = states(), events()

    with time_machine.travel(timezone.now() + off, tick=True):
        result = cleanup()

    if connection.vendor == "sqlite":
        assert (result.exit_code, last_run().stop_code) == (3, "clocks_differ")
        assert states() == before
        assert events() == [*events_before, "cleanup.stopped"]
    else:
        assert result.exit_code == 0, result
        assert states() == kept | due
        assert last_run().removed == len(due)
        # The time in quarantine is counted by the database's clock, not by the worker's.
        assert abs(QuarantinedObject.objects.get().quarantined_at - timezone.now()) < MINUTE


def states() -> dict[object, str]:
    return dict(UploadedFile.objects.values_list("pk", "status"))
