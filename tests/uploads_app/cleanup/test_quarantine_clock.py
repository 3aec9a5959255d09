"""The trash retention is measured by the database's clock alone."""

from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import F
from django.utils import timezone

from tests.helpers import plant, store_root
from tests.uploads_app.cleanup.cleanup_support import DAY, HOUR, new_key, settled, stored
from uploads_app.cleanup.trash import move_to_trash
from uploads_app.models import QuarantinedObject
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.both


@pytest.mark.parametrize("days_off", [-3, 3])
def test_t58_a_wrong_clock_of_the_worker_does_not_change_the_trash_retention(
    db: None, days_off: int
) -> None:
    stored()
    settled()
    key = new_key()
    plant(key, age=HOUR)
    found = object_store().describe(key)
    assert found
    with time_machine.travel(timezone.now() + days_off * DAY):
        if connection.vendor == "postgresql":
            settled()
        else:  # there a run notices, because worker and database have the same clock
            move_to_trash([found])
    _pass(7 * DAY - HOUR)
    settled()
    assert (store_root() / quarantine_key(key)).exists()
    _pass(2 * HOUR)
    settled()
    assert not (store_root() / quarantine_key(key)).exists()


def _pass(by: Any) -> None:
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - by)
