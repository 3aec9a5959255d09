"""Descriptions of endpoints for the OpenAPI schema, which wait until it is written.

The decorators of drf-spectacular import all that writes a schema, and with it tools for tests:
3 MiB in a process that may never be asked for it.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.schemas.inspectors import DefaultSchema

_View = TypeVar("_View", bound=Callable[..., Any])

_waiting: deque[Callable[[], object]] = deque()
_lock = Lock()


class LateSchema(DefaultSchema):
    """The schema of a view, whose class is not imported before it is needed.

    A router reads all attributes of a view.
    """

    is_needed = False

    def __get__(self, instance: Any, owner: Any) -> Any:
        return super().__get__(instance, owner) if LateSchema.is_needed else self


def documented(**operation: Any) -> Callable[[_View], _View]:
    """Describe a method or all methods of a view, with the arguments of `extend_schema`."""

    def keep(view: _View) -> _View:
        _waiting.append(lambda: extend_schema(**operation)(view))
        return view

    return keep


def inherited(**summaries: str) -> Callable[[_View], _View]:
    """Give a summary to methods that a view inherits."""

    def keep(view: _View) -> _View:
        operations = {name: extend_schema(summary=text) for name, text in summaries.items()}
        _waiting.append(lambda: extend_schema_view(**operations)(view))
        return view

    return keep


def describe_all() -> None:
    """Attach the descriptions to their views, in the order in which they were made."""
    LateSchema.is_needed = True
    with _lock:
        while _waiting:
            _waiting[0]()  # If it fails, it fails again, and no schema is written without it.
            _waiting.popleft()
