"""Actors as staff read and type them: staff by user name, others as in the audit log."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model

from common.context import STAFF, SYSTEM, VISITOR
from common.text import ROW_ID

MAX_SUGGESTED = 100
_WHOLE = re.compile(rf"(staff:{ROW_ID}|(service|operator):.+)", re.DOTALL)


class UnknownActor(ValueError):
    """The text is not an actor; the message says what to type."""


def names(actors: Iterable[str]) -> dict[str, str]:
    """Map `staff:7` to `staff:7 (anna)`, for each staff member who still has an account."""
    ids = {int(number) for actor in actors if (number := _number(actor))}
    users = get_user_model()._default_manager.filter(pk__in=ids).values_list("pk", "username")
    return {f"{STAFF}{pk}": f"{STAFF}{pk} ({name})" for pk, name in users}


def people(actors: Iterable[str]) -> dict[str, str]:
    """Map `staff:7` to `anna (Support)`, for each staff member who still has an account."""
    ids = {int(number) for actor in actors if (number := _number(actor))}
    users = get_user_model()._default_manager.filter(pk__in=ids).prefetch_related("groups")
    return {f"{STAFF}{user.pk}": _with_groups(user) for user in users}


def _with_groups(user: Any) -> str:
    groups = ", ".join(group.name for group in user.groups.all())
    return f"{user.get_username()} ({groups})" if groups else user.get_username()


def subject(actor: str, people: Mapping[str, str]) -> str:
    """Return an actor as the subject of a sentence; empty for the visitor. `people` names staff."""
    kind, _, name = actor.partition(":")
    if actor == VISITOR:
        return ""
    if actor == SYSTEM:
        return "The system"
    return (
        f"{kind.capitalize()} {name}"
        if kind in ("service", "operator")
        else people.get(actor, actor)
    )


def named(actor: str) -> str:
    return names([actor]).get(actor, actor)


def read(text: str) -> str:
    """Parse `anna`, `staff:anna`, `staff:7`, `visitor`, `system`, `service:…` or `operator:…`.

    Raises UnknownActor for a user name that does not exist.
    """
    text = text.strip()
    if text in (VISITOR, SYSTEM) or _WHOLE.fullmatch(text):
        return text
    users = get_user_model()._default_manager
    pk = users.filter(username=text.removeprefix(STAFF)).values_list("pk", flat=True).first()
    if pk is None:
        raise UnknownActor(
            "No staff member has this user name. Enter a user name, staff:7, visitor, system, "
            "service:name or operator:login."
        )
    return f"{STAFF}{pk}"


def suggested() -> list[str]:
    """Return suggestions for a field: visitor, system, and the user names of staff."""
    staff = get_user_model()._default_manager.filter(is_staff=True).order_by("username")
    return [VISITOR, SYSTEM, *staff.values_list("username", flat=True)[:MAX_SUGGESTED]]


def _number(actor: str) -> str:
    number = actor.removeprefix(STAFF)
    return number if actor.startswith(STAFF) and re.fullmatch(ROW_ID, number) else ""
