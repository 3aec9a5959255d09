"""The tasks that may be scheduled: those of the tasks modules, and nothing else that can be imported."""

import inspect
from types import ModuleType
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django_q.models import Schedule

import maria_project.tasks
import sessions_app.tasks
import uploads_app.tasks


def _described(*modules: ModuleType) -> dict[str, str]:
    """Return the first line of every task's docstring, by the name under which it is scheduled."""
    return {
        f"{module.__name__}.{name}": (inspect.getdoc(task) or "").splitlines()[0]
        for module in modules
        for name, task in inspect.getmembers(module, inspect.isfunction)
        if task.__module__ == module.__name__ and not name.startswith("_")
    }


WHAT_TASKS_DO = _described(maria_project.tasks, sessions_app.tasks, uploads_app.tasks)


class TaskNotAllowed(SuspiciousOperation):
    """A schedule names something that is no task of ours; it was not saved."""


@receiver(pre_save, sender=Schedule)
def refuse_what_is_no_task(instance: Any, **_: Any) -> None:
    """Refuse a schedule that would run anything but a task; its hook would be run, too."""
    if instance.func not in WHAT_TASKS_DO or instance.hook:
        raise TaskNotAllowed(
            "Only functions of the tasks modules can be scheduled, without a hook."
        )
