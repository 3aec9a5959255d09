"""Admin registrations that belong to no single app: the queue, accounts, and pages that join apps.

django-q2's own pages are removed: they can schedule any importable function,
and a user who may view them may run tasks again. Our pages are read-only. They
do not load arguments and results, because unpickling those executes code.
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
from audit_app.adminkit.registry import (
    register_actions,
    register_list_actions,
    register_pages,
    register_sections,
    register_template,
)
from audit_app.models import AuditLog
from backoffice_app import certificate, exports, session_sections
from backoffice_app.accounts import user_admin
from backoffice_app.case import several
from backoffice_app.case.chosen_files import of_list
from backoffice_app.live.section import live
from backoffice_app.person import actions as person_actions
from backoffice_app.person import page as person_page
from common import schedules
from common.templatetags.console import ago, badge, state_badge
from sessions_app.models import UserSession
from uploads_app.cleanup import alerts
from uploads_app.models import UploadedFile

LATE = timedelta(minutes=5)
_CLEANUP = "uploads_app.tasks.cleanup_orphans"


# django-otp's pages would show the secrets of second factors.
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
        """Add the end and the success of each schedule's last task."""
        # django-q2 stores the schedule's name as `group`. Read columns only: rows contain pickles.
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

    @admin.display(description="task")
    def does(self, schedule: Any) -> str:
        return schedules.description(schedule.func)

    @admin.display(description="last run")
    def last_ended(self, schedule: Any) -> str:
        return ago(schedule.last_stopped, "none yet")

    @admin.display(description="last result", empty_value="–")
    def last_outcome(self, schedule: Any) -> str | None:
        if schedule.last_stopped is None:
            return None
        if schedule.func == _CLEANUP and schedule.last_success:
            # A task that reports a stopped cleanup has itself succeeded.
            run = alerts.last_run()
            return state_badge(run.status, run.get_status_display()) if run else "skipped"
        return badge("ok", "OK") if schedule.last_success else badge("error", "failed")

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
        # Reading these columns executes their pickles.
        return super().get_queryset(request).defer("args", "kwargs", "result")


register_actions(
    UserSession, exports.EXPORT, person_page.REVEAL, *person_actions.ACTIONS, *several.SESSION_ACTIONS,
)  # fmt: skip
register_list_actions(UploadedFile, of_list, *several.LIST_ACTIONS)
register_pages(UserSession, person_page.PAGE, certificate.PAGE)
register_sections(UserSession, live, session_sections.events, session_sections.files)
register_sections(UploadedFile, session_sections.file_answer)
register_sections(AuditLog, session_sections.event_answer)
register_template(UserSession, "backoffice/session.html")
