"""Cursor pages that stay right while rows come and go."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class StrictCursorPagination(CursorPagination):
    """Cursor pages that answer 404 also to a cursor whose position no column could hold.

    DRF checks a cursor's form, but passes the position inside on to the
    database unread.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError, ValidationError) as error:
            if self.decode_cursor(request) is None:
                raise
            raise NotFound(self.invalid_cursor_message) from error
