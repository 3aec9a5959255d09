"""What the admin shows of no single app: libraries in our form, the queue, and what joins the apps.

The queue is there to read: what is scheduled, how it went last, what failed.
django-q2's own pages are taken out: they can schedule any importable function,
and whoever may view them may run tasks again. Arguments and results are
pickles, which loading would execute, so they are not even read.
"""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.adminkit.registry import register_actions, register_pages, register_sections
from backoffice_app import certificate, exports, person, session_sections
from backoffice_app.accounts import user_admin
from common import schedules
from sessions_app.models import UserSession
from uploads_app.cleanup import alerts

LATE = timedelta(minutes=5)
_CLEANUP = "uploads_app.tasks.cleanup_orphans"


# django-otp's pages show the secrets from which codes are made.
for model in (Failure, OrmQ, Schedule, Success, StaticDevice, TOTPDevice):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
user_admin.register(admin.site)


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    change_list_template = "backoffice/schedules.html"
    ordering = ["name"]
    list_display = ["name", "does", "every", "last_outcome", "last_ended", "next_run", "on_time"]
    fields = ["name", "does", "func", "every", "last_outcome", "last_ended", "next_run", "on_time"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add when each schedule's last task ended, and whether it went well."""
        # django-q2 groups a schedule's tasks under its name; columns, because a row has pickles.
        last = Task.objects.filter(group=OuterRef("name")).order_by("-stopped")
        schedules: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                last_stopped=Subquery(last.values("stopped")[:1]),
                last_success=Subquery(last.values("success")[:1]),
            )
        )
        return schedules

    @admin.display(description="does")
    def does(self, schedule: Any) -> str:
        return schedules.description(schedule.func)

    @admin.display(description="last run", empty_value="none yet")
    def last_ended(self, schedule: Any) -> Any:
        return schedule.last_stopped

    @admin.display(description="went", empty_value="–")
    def last_outcome(self, schedule: Any) -> str | None:
        if schedule.last_stopped is None:
            return None
        if schedule.func == _CLEANUP and schedule.last_success:
            # The task succeeds in telling that the cleanup stopped.
            run = alerts.last_run()
            return str(run.get_status_display()) if run else "skipped"
        return "well" if schedule.last_success else "failed"

    @admin.display(description="every")
    def every(self, schedule: Any) -> str:
        if schedule.schedule_type == Schedule.MINUTES:
            return f"{schedule.minutes} min"
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


register_actions(UserSession, exports.EXPORT, *person.ACTIONS)
register_pages(UserSession, person.PAGE, certificate.PAGE)
register_sections(UserSession, session_sections.files, session_sections.events)
