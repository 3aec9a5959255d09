"""The API's page, under a policy that its viewer needs and no other page gets."""

from typing import Any

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer


@method_decorator(
    csp_update({"style-src": ["'self'", "'unsafe-inline'"], "img-src": ["'self'", "data:"]}),
    name="dispatch",
)
class ApiDocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own host; its script is a file of its own, so no script runs inline."""

    http_method_names = ["get", "head"]
    authentication_classes: list[Any] = []
    renderer_classes = [TemplateHTMLRenderer]
    url_name = "schema"
