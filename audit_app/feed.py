"""The feed of events that services follow: every event once, in an order that never changes.

Ids are not commit order: a transaction may commit after one that began later,
and a reader that remembers the highest id it saw would miss it. So a place in
the feed is given only to what is committed, by one giver at a time.
"""

from django.db import transaction

from audit_app.models import FeedEntry, FeedState

PAGE = 500


def read_feed(*, after: int, limit: int = PAGE) -> list[FeedEntry]:
    """Return up to `limit` entries whose position follows `after`, in order, each with its event."""
    _give_positions()
    entries = FeedEntry.objects.filter(position__gt=after).select_related("log")
    return list(entries.order_by("position")[:limit])


def _give_positions() -> None:
    """Give the next positions to committed entries that have none; at most two pages at a time."""
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
