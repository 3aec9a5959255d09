"""The admin site: Maria's own, and everybody in it is named in the audit log."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, path

from audit_app import context


class MariaAdminSite(AdminSite):
    """Django's admin under Maria's name."""

    site_header = "Maria back office"
    site_title = "Maria"
    index_title = "Sessions, files and history"
    site_url = None
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from maria_project.find_page import find_view  # it asks for this very site

        return [path("find/", self.admin_view(find_view), name="find"), *super().get_urls()]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        @wraps(view)
        def as_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if "%00" in request.META.get("QUERY_STRING", ""):
                raise BadRequest("PostgreSQL cannot look for a NUL.")
            with context.acting_as(f"staff:{request.user.pk}"):
                response: HttpResponseBase = view(request, *args, **kwargs)
                return response

        return super().admin_view(as_staff, cacheable)
