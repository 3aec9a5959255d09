"""`--adopt` records what happened in the trash after the backup, and starts its retention again."""

from datetime import timedelta

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
from uploads_app.models import QuarantinedObject, StoreState
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


def _pass(time: timedelta) -> None:
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - time)
    StoreState.objects.update(adopted_at=F("adopted_at") - time)


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
    _pass(7 * DAY)
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


@pytest.fixture
def kept(db: None) -> str:
    """The key of an object that was in the trash for eight days when the backup was made."""
    stored()
    key = new_key()
    plant(key, b"%PDF-1.4 an orphan", age=HOUR)
    settled()
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - 8 * DAY)
    return key


@pytest.mark.both
def test_t55_the_trash_retention_starts_again(kept: str) -> None:
    """A person restored it after the backup, and a run moved it to the trash again."""
    backup = transaction.savepoint()
    settled("--trash-retention", "30d")
    transaction.savepoint_rollback(backup)
    _is_adopted()

    settled()
    assert (store_root() / quarantine_key(kept)).exists()
    _pass(7 * DAY)
    settled()
    assert not (store_root() / quarantine_key(kept)).exists()


@pytest.mark.both
def test_t55_an_object_restored_after_the_backup_stays_restored(kept: str) -> None:
    backup = transaction.savepoint()
    restore_object(key=kept)
    settled()
    transaction.savepoint_rollback(backup)
    events = Events()
    plan = cleanup("--adopt", "--dry-run").out
    assert "record 1 objects as restored that left the trash after the backup." in plan
    assert events.new() == []
    _is_adopted()
    assert ("object.restored", kept, {"size": 18}) in events.new()

    _pass(8 * DAY)
    assert settled("--json").found == {"restored objects left alone": {kept}}
    assert (store_root() / kept).read_bytes() == b"%PDF-1.4 an orphan"
    assert QuarantinedObject.objects.get().status == "restored"
