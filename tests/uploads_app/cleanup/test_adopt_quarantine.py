"""`--adopt` records objects in the trash that a restored database does not know."""

import pytest
from django.db import transaction
from django.db.models import F

from tests.helpers import plant, store_root, stored_keys
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    cleanup,
    new_key,
    settled,
    stored,
)
from uploads_app.cleanup.trash import restore_object
from uploads_app.models import QuarantinedObject
from uploads_app.storage.keys import quarantine_key


@pytest.fixture
def key(db: None) -> str:
    """The key of an object that was moved to the trash after the backup."""
    stored()
    settled()
    key = new_key()
    plant(key, b"%PDF-1.4 an orphan", age=HOUR)
    backup = transaction.savepoint()
    settled()
    assert (store_root() / quarantine_key(key)).exists()
    transaction.savepoint_rollback(backup)
    return key


def _is_adopted() -> None:
    result = cleanup("--adopt", "--yes")
    assert result.exit_code == 0, result


@pytest.mark.both
def test_t55_an_unknown_object_is_recorded_and_can_be_restored(key: str) -> None:
    assert "This key is unknown" in cleanup("--explain", key).out
    events = Events()
    assert "1 objects in the trash that" in cleanup("--adopt", "--dry-run").out
    assert events.new() == []
    _is_adopted()
    assert ("object.quarantined", key) in {(kind, about) for kind, about, _ in events.new()}
    assert "It is in the trash and can be restored" in cleanup("--explain", key).out
    restore_object(key=key)
    assert (store_root() / key).read_bytes() == b"%PDF-1.4 an orphan"


def test_t55_its_trash_retention_starts_at_the_adoption(key: str) -> None:
    _is_adopted()
    settled()
    assert (store_root() / quarantine_key(key)).exists()
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - 7 * DAY)
    settled()
    assert not (store_root() / quarantine_key(key)).exists()
    assert key not in stored_keys()
    assert QuarantinedObject.objects.get().status == "purged"


def test_t55_a_second_adoption_records_nothing(key: str) -> None:
    _is_adopted()
    events = Events()
    result = cleanup("--adopt", "--yes")
    assert (result.exit_code, events.types()) == (3, [])
    assert QuarantinedObject.objects.count() == 1
