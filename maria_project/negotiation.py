"""Content negotiation that does not parse the Accept header of nearly every request."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class SimpleNegotiation(DefaultContentNegotiation):
    """Choose the first renderer if the client accepts everything, or exactly its media type."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        meta, first = request._request.META, renderers[0]
        accepted = meta.get("HTTP_ACCEPT", "*/*")
        # The query may have DRF's parameter `format`.
        is_simple = not (format_suffix or meta.get("QUERY_STRING"))
        if is_simple and accepted in ("*/*", first.media_type):
            return first, first.media_type
        return super().select_renderer(request, renderers, format_suffix)
