"""Which other staff have a session's page open. It is only in the cache, for 30 seconds.

Without Redis each web process has its own cache, so staff on different processes do not see
each other.
"""

import uuid
from typing import Any

from django.core.cache import cache
from django.utils import timezone

SECONDS = 30
# A page that is still open is stored again after this time.
RENEWED_AFTER = 10


def others(session_uuid: uuid.UUID, user: Any) -> list[str]:
    """Return the user names of the others who view a session; store that `user` views it, too."""
    key, now = f"viewers:{session_uuid}", timezone.now().timestamp()
    known: dict[int, tuple[str, float]] = cache.get(key) or {}
    viewers = {pk: one for pk, one in known.items() if one[1] > now}
    _, until = viewers.get(user.pk, ("", 0))
    if until < now + SECONDS - RENEWED_AFTER:
        viewers[user.pk] = (user.get_username(), now + SECONDS)
        cache.set(key, viewers, SECONDS)
    return sorted(name for pk, (name, _) in viewers.items() if pk != user.pk)
