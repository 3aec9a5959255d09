"""The two pages that are neither the admin's nor the API's: `/` and `/about/`."""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from uploads_app.services import direct

DEMO_PAGE = "demo/index.html"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Answer the demo page; where it is off or not built, what `/about/` answers."""
    page = finders.find(DEMO_PAGE)
    if not settings.DEMO_PAGE or page is None:
        return about(request)
    # It names its files by their content, so a page from a cache could name what is gone.
    response = HttpResponse(Path(page).read_bytes(), headers={"Cache-Control": "no-cache"})
    if origin := direct.form_origin():
        # What django-csp's decorator would set, if it could be told when the page is asked for.
        response._csp_update = {"connect-src": ["'self'", origin]}  # type: ignore[attr-defined]
    return response


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """Say what this is and where its doors are."""
    is_built = finders.find(DEMO_PAGE) is not None
    return render(request, "about.html", {"demo_page": settings.DEMO_PAGE, "is_built": is_built})
