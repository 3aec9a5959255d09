"""Polls: requests by which an open page asks whether it has changed.

A poll is not an activity of staff. It does not extend their session.
"""

from django.http import HttpRequest


def mark_poll(request: HttpRequest) -> None:
    request.is_poll = True  # type: ignore[attr-defined]


def is_poll(request: HttpRequest) -> bool:
    return getattr(request, "is_poll", False)
