"""Cursor pagination that stays correct while rows are added and deleted."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class StrictCursorPagination(CursorPagination):
    """Answer 404 also to a cursor whose position is not a valid value of the column.

    DRF checks the cursor's form, but passes its position to the database unchecked.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError, ValidationError) as error:
            if self.decode_cursor(request) is None:
                raise
            raise NotFound(self.invalid_cursor_message) from error
