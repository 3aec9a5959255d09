"""Content negotiation of the endpoints that answer only in JSON."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

# What browsers send for `fetch`, and what most clients send. Absent is the same as the first.
_COMMON = frozenset({"*/*", "application/json", "application/json, text/plain, */*"})


class JsonNegotiation(DefaultContentNegotiation):
    """Finds parser and renderer of common requests without parsing their headers."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = request._request.META.get("CONTENT_TYPE")
        for parser in parsers:
            if parser.media_type == content_type:
                return parser
        return super().select_parser(request, parsers)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        meta = request._request.META
        # A query may have the parameter `format`.
        if not meta.get("QUERY_STRING") and meta.get("HTTP_ACCEPT", "*/*") in _COMMON:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
