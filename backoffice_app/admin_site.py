"""The admin site. Every view runs with the staff member as the actor of audit events."""

from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit_app import events
from audit_app.adminkit.polls import mark_poll
from audit_app.services import Refusal, record_refusal
from backoffice_app.accounts import changes, pages, passwords, sign_ins, throttle
from common import context


class MariaAdminSite(AdminSite):
    site_header = "Maria back office"
    site_title = "Maria"
    index_title = "Sessions, files and history"
    site_url = None
    login_form = pages.SignInForm
    login_template = "backoffice/accounts/sign_in.html"

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # These import admin.site.
        from backoffice_app.live import views as live
        from backoffice_app.search.by_code import open_by_code
        from backoffice_app.search.page import results_view, search_view
        from backoffice_app.search.suggestions import suggestions_view

        return [
            path("find/", self.admin_view(search_view), name="find"),
            path("find/suggestions/", self.admin_view(suggestions_view), name="find_suggestions"),
            path("find/<str:key>/", self.admin_view(results_view), name="find_results"),
            path("open/<path:code>", self.admin_view(open_by_code), name="open"),
            path(
                "second-factor/",
                self.admin_view(pages.second_factor_page),
                name="second_factor",
            ),
            path(
                "second-factor/qr.svg",
                self.admin_view(pages.qr_code),
                name="second_factor_qr",
            ),
            path("live/", self.live_view(live.dashboard_live), name="live"),
            path("live/attention/", self.live_view(live.attention_live), name="live_attention"),
            path(
                "sessions_app/usersession/<uuid:object_id>/live/",
                self.live_view(live.session_live),
                name="sessions_app_usersession_live",
            ),
            path(
                "django_q/schedule/live/",
                self.live_view(live.queue_live),
                name="django_q_schedule_live",
            ),
            path("sign-ins/", self.admin_view(sign_ins.sign_ins_page), name="sign_ins"),
            *super().get_urls(),
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        @wraps(view)
        def as_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if "%00" in request.META.get("QUERY_STRING", ""):
                raise BadRequest("PostgreSQL text cannot contain NUL.")
            with context.as_actor(f"staff:{request.user.pk}"):
                try:
                    response: HttpResponseBase = view(request, *args, **kwargs)
                except PermissionDenied:
                    _record_refusal(request)
                    raise
                if response.status_code == HTTPStatus.FORBIDDEN:
                    _record_refusal(request)
                return response

        return super().admin_view(as_staff, cacheable)

    def live_view(self, view: Any) -> Any:
        """Return a view that open pages poll: it answers 401 where others redirect to the sign-in."""
        as_staff = self.admin_view(require_safe(view))

        @never_cache
        @wraps(view)
        def poll(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            mark_poll(request)
            if not self.has_permission(request):
                return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
            response: HttpResponseBase = as_staff(request, *args, **kwargs)
            return response

        return poll

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sign staff in, and remember the browser (see throttle)."""
        response = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            throttle.remember_browser(request, response)
        return response

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Change the password of the signed-in user. This ends the account's other sessions."""
        if request.method != "POST":
            return super().password_change(request, extra_context)
        old = request.POST.get("old_password")
        if old and not passwords.is_right(request, old) and passwords.is_locked(request):
            return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS)
        with changes.recorded():
            return super().password_change(request, extra_context)


def _record_refusal(request: HttpRequest) -> None:
    """Record a denied page, at most once a minute for each user and page."""
    match = request.resolver_match
    page = match.view_name if match else ""
    kind = f"{request.user.pk} {page}"
    record_refusal(Refusal(events.STAFF_PERMISSION_DENIED, kind, details={"page": page}))
