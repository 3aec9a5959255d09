"""Only our own tasks can be scheduled: saving any other is refused."""

from typing import Any

import pytest
from django_q.models import Schedule

from common.schedules import TaskNotAllowed

# The database makes no difference.


@pytest.mark.parametrize(
    "named",
    [
        {"func": "os.system"},
        {"func": "uploads_app.tasks.os"},
        {"func": "uploads_app.tasks.cleanup_orphans.__globals__"},
        {"func": "django_q.tasks.async_task"},
        {"func": ""},
        {"func": "maria_project.tasks.heartbeat", "hook": "os.system"},
    ],
)
def test_t65_a_schedule_of_anything_else_is_refused(db: None, named: dict[str, Any]) -> None:
    before = Schedule.objects.count()
    with pytest.raises(TaskNotAllowed):
        Schedule(name="bad", **named).save()
    with pytest.raises(TaskNotAllowed):
        Schedule.objects.create(name="bad", **named)
    with pytest.raises(TaskNotAllowed):
        Schedule.objects.update_or_create(name="worker heartbeat", defaults=named)
    assert Schedule.objects.count() == before
    assert not Schedule.objects.filter(name="bad").exists()


def test_t65_all_schedules_after_migrate_are_allowed(db: None) -> None:
    schedules = list(Schedule.objects.all())
    assert schedules
    for schedule in schedules:
        schedule.save()
