"""The queue in the admin, to read: schedules, what waits, what failed.

django-q2's own pages are taken out: they can schedule any importable function,
and whoever may view them may run tasks again. Arguments and results are
pickles, which loading would execute, so they are not even read.
"""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from audit_app.admin import ReadOnlyAdmin

LATE = timedelta(minutes=5)

for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = ["name", "func", "every", "next_run", "on_time"]
    fields = ["name", "func", "every", "next_run", "on_time"]

    @admin.display(description="every")
    def every(self, schedule: Any) -> str:
        if schedule.schedule_type == Schedule.MINUTES:
            return f"{schedule.minutes} minutes"
        return str(schedule.get_schedule_type_display())

    @admin.display(description="on time", boolean=True)
    def on_time(self, schedule: Any) -> bool:
        return bool(schedule.next_run > timezone.now() - LATE)


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin):
    ordering = ["-stopped"]
    list_display = ["name", "func", "started", "stopped", "attempt_count"]
    fields = ["name", "func", "started", "stopped", "attempt_count"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A pickle is executed when its column is read, shown or not.
        return super().get_queryset(request).defer("args", "kwargs", "result")
