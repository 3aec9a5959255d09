"""Objects that no live row explains: put aside, given back, or purged.

Each step is written down before it is taken and once more when it is done, so
that a crash in between is finished by the next run, and told exactly once.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, record_many
from uploads_app import events
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.removal import Outcome, delete_objects
from uploads_app.models import QuarantinedObject, QuarantineStatus, UploadedFile
from uploads_app.storage.base import StoredObject, object_store, quarantine_key

logger = logging.getLogger(__name__)

_WHY_NOT: dict[type[OSError], str] = {
    FileExistsError: "Another object has taken its place, so it stays in quarantine.",
    FileNotFoundError: "Its bytes cannot be found in quarantine.",
}
# What a step becomes when it is done, and the event that tells it.
_DONE: dict[str, tuple[QuarantineStatus, EventType]] = {
    QuarantineStatus.QUARANTINING: (QuarantineStatus.QUARANTINED, events.OBJECT_QUARANTINED),
    QuarantineStatus.RESTORING: (QuarantineStatus.RESTORED, events.OBJECT_RESTORED),
    QuarantineStatus.PURGING: (QuarantineStatus.PURGED, events.OBJECT_PURGED),
}


class NotRestored(Exception):
    """An object could not be given back; says why, and what becomes of it."""


class StoreSilent(NotRestored):
    """It was the store that failed, so others will not come back either."""


@dataclass
class GivenBack:
    """Which objects were given back, and why each of the others was not."""

    keys: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def put_aside(found: Sequence[StoredObject]) -> Outcome:
    """Move objects into quarantine, unless a row has come to explain one meanwhile."""
    explained = UploadedFile.objects.filter(key__in=[stored.key for stored in found])
    known = set(explained.values_list("key", flat=True))
    strays = [stored for stored in found if stored.key not in known]
    return finish(_begin(strays, QuarantineStatus.QUARANTINING, put_aside=True, reason="no_row"))


def unknown(aside: Sequence[StoredObject]) -> list[StoredObject]:
    """Return those that lie in quarantine, given under their old keys, and are not known to."""
    known = QuarantinedObject.objects.aside().filter(key__in=[stored.key for stored in aside])
    keys = set(known.values_list("key", flat=True))
    return [stored for stored in aside if stored.key not in keys]


def take_in(aside: Sequence[StoredObject]) -> None:
    """Note what is `unknown`; it is kept as long as if it had been put aside now."""
    strays = unknown(aside)
    _close(_begin(strays, QuarantineStatus.QUARANTINING, put_aside=True, reason="no_row"))


def purge_late(found: Sequence[StoredObject], reason: str) -> Outcome:
    """Remove objects that arrived under the keys of closed files."""
    return finish(_begin(found, QuarantineStatus.PURGING, put_aside=False, reason=reason))


def purge(strays: Sequence[QuarantinedObject]) -> Outcome:
    """Remove objects whose time in quarantine is over."""
    still = QuarantinedObject.objects.filter(status=QuarantineStatus.QUARANTINED)
    with transaction.atomic():
        among = still.filter(pk__in=[stray.pk for stray in strays])
        due = list(among.select_for_update().order_by("pk"))
        _update(due, status=QuarantineStatus.PURGING, reason="quarantine_over")
    return finish(due)


def restore_object(*, key: str) -> None:
    """Give an object back to its old key, where the cleanup then leaves it alone.

    Raises NotRestored; StoreSilent if it was the store that failed: the next cleanup run goes on.
    """
    still = QuarantinedObject.objects.filter(status=QuarantineStatus.QUARANTINED)
    with transaction.atomic():
        stray = still.select_for_update().filter(key=key).first()
        if stray is None:
            raise NotRestored("It is not in quarantine (any more).")
        _update([stray], status=QuarantineStatus.RESTORING)
    try:
        _move(stray)
    except (FileExistsError, FileNotFoundError) as error:
        _update([stray], status=QuarantineStatus.QUARANTINED)
        raise NotRestored(_WHY_NOT[type(error)]) from error
    except OSError as error:
        logger.exception("storage did not give %s back", key)
        raise StoreSilent("The store does not answer; the next cleanup goes on.") from error
    _close([stray])


def restore_objects(*, keys: Sequence[str], seconds: float = float("inf")) -> GivenBack:
    """Give objects back, each with its event, until the time is over or the store fails.

    What is not reached stays in quarantine.
    """
    given = GivenBack()
    deadline = time.monotonic() + seconds
    for key in keys:
        if time.monotonic() > deadline:
            break
        try:
            restore_object(key=key)
        except NotRestored as why:
            given.refused[key] = str(why)
            if isinstance(why, StoreSilent):
                break
        else:
            given.keys.append(key)
    return given


def finish(strays: Sequence[QuarantinedObject]) -> Outcome:
    """Take the steps that are written down, whoever began them; what fails is tried again."""
    purging = [stray for stray in strays if stray.status == QuarantineStatus.PURGING]
    failed = set(delete_objects([_place(stray) for stray in purging]))
    done = [stray for stray in purging if _place(stray) not in failed]
    for stray in strays:
        if stray.status != QuarantineStatus.PURGING:
            try:
                _move(stray)
            except FileNotFoundError:
                logger.warning("%s is gone, so there is nothing to move", stray.key)
                _update([stray], status=QuarantineStatus.PURGING, reason="gone")
                done.append(stray)
            except OSError:
                logger.exception("storage did not move %s", stray.key)
                failed.add(stray.key)
            else:
                done.append(stray)
    _close(done)
    ended = {stray.key for stray in done}
    return Outcome({stray.key: stray.size for stray in strays if stray.key in ended}, len(failed))


def _begin(
    found: Sequence[StoredObject], status: QuarantineStatus, *, put_aside: bool, reason: str
) -> list[QuarantinedObject]:
    strays = [
        QuarantinedObject(
            key=stored.key,
            size=stored.size,
            modified_at=stored.modified,
            status=status,
            put_aside=put_aside,
            reason=reason,
            quarantined_at=Now(),  # the clock that says when their time is over
            changed_at=Now(),
        )
        for stored in found
    ]
    QuarantinedObject.objects.bulk_create(
        strays,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=[
            "size", "modified_at", "status", "put_aside", "reason", "quarantined_at", "changed_at",
        ],
    )  # fmt: skip
    begun = QuarantinedObject.objects.filter(key__in=[stray.key for stray in strays])
    return list(begun.filter(status=status).order_by("key"))


def _move(stray: QuarantinedObject) -> None:
    """Move an object to where its step wants it. Raises OSError."""
    places = (stray.key, quarantine_key(stray.key))
    source, target = places if stray.status == QuarantineStatus.QUARANTINING else places[::-1]
    object_store().move(source, target)


def _place(stray: QuarantinedObject) -> str:
    return quarantine_key(stray.key) if stray.put_aside else stray.key


def _close(strays: Sequence[QuarantinedObject]) -> None:
    """Write down that steps are done, each with its event, unless somebody else already has."""
    with transaction.atomic():
        for status, (closed, event) in _DONE.items():
            keys = [stray.pk for stray in strays if stray.status == status]
            among = QuarantinedObject.objects.filter(pk__in=keys, status=status)
            still = list(among.select_for_update().order_by("key"))
            _update(still, status=closed)
            record_many(
                event,
                (
                    Entry(reconcile.session_of(stray.key), stray.key, None, _details(event, stray))
                    for stray in still
                ),
            )


def _details(event: EventType, stray: QuarantinedObject) -> dict[str, Value]:
    if event is events.OBJECT_PURGED:
        return {"reason": stray.reason, "size": stray.size}
    return {"size": stray.size}


def _update(strays: Sequence[QuarantinedObject], **values: object) -> None:
    values["changed_at"] = timezone.now()
    QuarantinedObject.objects.filter(pk__in=[stray.pk for stray in strays]).update(**values)
    for stray in strays:
        for name, value in values.items():
            setattr(stray, name, value)
