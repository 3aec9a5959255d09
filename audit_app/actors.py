"""Who acted, in words: staff by their user name, everybody else by what they are."""

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from audit_app import context

_WORDS = {context.VISITOR: "the visitor", context.SYSTEM: "the system"}


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Return each actor's name, in one query: `staff:7` is `maria (staff:7)`, `visitor` the visitor."""
    actors = set(actors)
    ids = {number for actor in actors if (number := _staff_id(actor))}
    users = get_user_model().objects.in_bulk(ids) if ids else {}
    return {
        actor: f"{user} ({actor})" if (user := users.get(_staff_id(actor))) else _word(actor)
        for actor in actors
    }


def _word(actor: str) -> str:
    return _WORDS.get(actor, actor)


def _staff_id(actor: str) -> int:
    number = actor.removeprefix(context.STAFF)
    return int(number) if number != actor and number.isdecimal() else 0
