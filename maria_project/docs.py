"""The OpenAPI schema, and the page that shows it with the Content-Security-Policy that it needs."""

from collections.abc import Callable
from functools import cache
from typing import Any

from csp.decorators import csp_update
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer, TemplateHTMLRenderer
from rest_framework.request import Request

from maria_project.schema import DescribedGenerator


class SchemaView(SpectacularAPIView):
    """The schema as YAML or JSON. It is rendered once in each process, which takes 100 ms."""

    http_method_names = ["get", "head"]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        renderer: Any = request.accepted_renderer
        return HttpResponse(
            _rendered(renderer.__class__),
            content_type=f"{renderer.media_type}; charset=utf-8",
            headers={"Content-Disposition": f'inline; filename="maria.{renderer.format}"'},
        )


@cache
def _rendered(renderer: Callable[[], BaseRenderer]) -> str | bytes:
    generator: Any = DescribedGenerator
    schema = generator().get_schema(request=None, public=True)
    return renderer().render(schema, renderer_context={})


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
    template_name = "api_docs.html"
