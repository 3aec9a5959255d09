"""The feed of events for services: every event once, in an order that never changes.

Ids are not in commit order: a transaction can commit after one that began
later, and a reader that remembers the highest id would miss its events. So only
committed events get a position, and a lock allows one writer at a time.
"""

from django.db import transaction

from audit_app.models import FeedEntry, FeedState

PAGE = 500


def read_feed(*, after: int, limit: int = PAGE) -> list[FeedEntry]:
    """Return up to `limit` entries after the position `after`, in order, with their events."""
    _assign_positions()
    entries = FeedEntry.objects.filter(position__gt=after).select_related("log")
    return list(entries.order_by("position")[:limit])


def _assign_positions() -> None:
    """Number the committed entries without a position; at most two pages at a time."""
    waiting = FeedEntry.objects.filter(position=None).order_by("log_id")
    if not waiting.exists():
        return
    FeedState.objects.get_or_create(singleton=FeedState.SINGLETON)
    with transaction.atomic():
        state = FeedState.objects.select_for_update().get()
        entries = list(waiting[: 2 * PAGE])
        for entry in entries:
            state.last_position += 1
            entry.position = state.last_position
        FeedEntry.objects.bulk_update(entries, ["position"])
        state.save()
