"""The pages `/` and `/about/`, and the way to those about the API."""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from uploads_app.services import direct

DEMO_PAGE = "demo/index.html"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Return the demo page, or the about page if the demo page is off or not built."""
    page = finders.find(DEMO_PAGE)
    if not settings.DEMO_PAGE or page is None:
        return about(request)
    # Its file names contain content hashes, so a cached page could name deleted files.
    response = HttpResponse(Path(page).read_bytes(), headers={"Cache-Control": "no-cache"})
    if origin := direct.form_origin():
        # django-csp's decorator can only take values that are known at import.
        response._csp_update = {"connect-src": ["'self'", origin]}  # type: ignore[attr-defined]
    return response


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """Return a page with links to the admin, the API documentation and the health check."""
    is_built = finders.find(DEMO_PAGE) is not None
    return render(request, "about.html", {"demo_page": settings.DEMO_PAGE, "is_built": is_built})


# `docs` imports all that writes the schema: 3 MiB in each process that was asked for it.
@csrf_exempt
def schema(request: HttpRequest) -> HttpResponseBase:
    """Return the OpenAPI schema."""
    from maria_project.docs import SchemaView

    return SchemaView.as_view()(request)


@csrf_exempt
def api_docs(request: HttpRequest) -> HttpResponseBase:
    """Return the page that shows the schema."""
    from maria_project.docs import ApiDocsView

    return ApiDocsView.as_view()(request)
