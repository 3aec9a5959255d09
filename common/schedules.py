"""Scheduled tasks: which functions may be scheduled, and how an app schedules its own."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import SuspiciousOperation

_Function = TypeVar("_Function", bound=Callable[..., Any])

_tasks: dict[str, str] = {}


class TaskNotAllowed(SuspiciousOperation):
    """A schedule names a function that is not a registered task. It was not saved."""


def task(function: _Function) -> _Function:
    """Register a function as a task: only registered functions can be scheduled.

    The first line of its docstring describes it to staff.
    """
    _tasks[task_name(function)] = (inspect.getdoc(function) or "").partition("\n")[0]
    return function


def task_name(function: Callable[..., Any]) -> str:
    """Return the dotted name under which django-q2 imports a function."""
    return f"{function.__module__}.{function.__qualname__}"


def description(name: str) -> str:
    """Return a task's description; empty for a name that is not registered."""
    return _tasks.get(name, "")


def schedule_every(name: str, function: Callable[..., Any], *, minutes: int) -> None:
    """Create or update the schedule `name`. Call it from post_migrate; safe to repeat."""
    from django_q.models import Schedule

    Schedule.objects.update_or_create(
        name=name,
        defaults={
            "func": task_name(function),
            "schedule_type": Schedule.MINUTES,
            "minutes": minutes,
        },
    )


def refuse_unknown_task(instance: Any, **_: Any) -> None:
    """Refuse to save a schedule of anything but a registered task, or one with a hook.

    django-q2 imports and runs both by name: without this, write access to the
    table is code execution.
    """
    if instance.func not in _tasks or instance.hook:
        raise TaskNotAllowed("Only registered tasks can be scheduled, and only without a hook.")
