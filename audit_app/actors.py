"""Who acts, as staff read and write it: staff by user name, everybody else as the log says it."""

import re
from collections.abc import Iterable

from django.contrib.auth import get_user_model

from common.context import STAFF, SYSTEM, VISITOR

MAX_SUGGESTED = 100
_WHOLE = re.compile(r"(staff:\d{1,18}|(service|operator):.+)", re.DOTALL)


class UnknownActor(ValueError):
    """Nobody is called so; the text says what to write."""


def names(actors: Iterable[str]) -> dict[str, str]:
    """Return `staff:7 (anna)` by `staff:7` for each staff member who still has an account."""
    ids = {int(number) for actor in actors if (number := _number(actor))}
    users = get_user_model()._default_manager.filter(pk__in=ids).values_list("pk", "username")
    return {f"{STAFF}{pk}": f"{STAFF}{pk} ({name})" for pk, name in users}


def named(actor: str) -> str:
    """Return one actor with the user name, if it is a staff member's."""
    return names([actor]).get(actor, actor)


def read(text: str) -> str:
    """Return the actor that is meant by `anna`, `staff:anna`, `staff:7`, `visitor`, `system`, `service:…`.

    Raises UnknownActor for a user name that nobody has.
    """
    text = text.strip()
    if text in (VISITOR, SYSTEM) or _WHOLE.fullmatch(text):
        return text
    users = get_user_model()._default_manager
    pk = users.filter(username=text.removeprefix(STAFF)).values_list("pk", flat=True).first()
    if pk is None:
        raise UnknownActor(
            "No staff member has that user name. Write a user name, staff:7, visitor, system, "
            "service:name or operator:login."
        )
    return f"{STAFF}{pk}"


def suggested() -> list[str]:
    """Return what may be written, for a field that suggests: the two words, and staff by name."""
    staff = get_user_model()._default_manager.filter(is_staff=True).order_by("username")
    return [VISITOR, SYSTEM, *staff.values_list("username", flat=True)[:MAX_SUGGESTED]]


def _number(actor: str) -> str:
    number = actor.removeprefix(STAFF)
    return number if actor.startswith(STAFF) and number.isdecimal() and len(number) < 19 else ""
