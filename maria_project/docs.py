"""The API documentation page, with the Content-Security-Policy that Swagger UI needs."""

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
    """Swagger UI from our own host, with its script in a separate file: no inline scripts."""

    http_method_names = ["get", "head"]
    authentication_classes: list[Any] = []
    renderer_classes = [TemplateHTMLRenderer]
    url_name = "schema"
