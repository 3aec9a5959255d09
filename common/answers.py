"""The JSON answers of endpoints."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer

_RENDERER = JSONRenderer()


class Answer(HttpResponse):
    """`data` in JSON, as DRF's `Response` sends it to a client that asks for no `indent`.

    A `Response` is a template that is filled in later, which takes 40 calls more. Endpoints that
    answer only in JSON need no choice of a renderer.
    """

    def __init__(
        self, data: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        content = _RENDERER.render(data)
        super().__init__(content, _RENDERER.media_type, status, headers=headers)
