"""Lists that stay fast with millions of rows: keyset pagination, and no counting."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import is_naive

FORWARD, BACK = "after", "before"


def beyond(rows: QuerySet[Any], leading: str, value: Any, key: Any) -> QuerySet[Any]:
    """Return the rows after one row in a list ordered by `leading` (`-created_at`), then by key.

    `value` and `key` are that row's. Both have the same direction, and the
    column is never null. The index is entered by the first condition.
    """
    column, ways = leading.removeprefix("-"), ("gte", "lte")
    onward, backward = reversed(ways) if leading.startswith("-") else ways
    return rows.filter(Q(**{f"{column}__{onward}": value})).exclude(
        **{column: value, f"pk__{backward}": key}
    )


def in_order(rows: QuerySet[Any], leading: str) -> QuerySet[Any]:
    return rows.order_by(leading, "-pk" if leading.startswith("-") else "pk")


class KeyedChangeList(ChangeList):
    """A list with one order and keyset pagination.

    A page begins after a row, not at an OFFSET: it does not read the rows before
    it and needs no count. The query string accepts only the offered filters:
    any other filter could find out masked values row by row.
    """

    previous_page = next_page = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        # Ignore `?o=`: sorting by another column needs an index on it.
        self.leading = str(
            [*self.model_admin.get_ordering(request), *(self.opts.ordering or ())][0]
        )
        return list(in_order(queryset, self.leading).query.order_by)

    def get_filters(self, request: HttpRequest) -> Any:
        filters = super().get_filters(request)
        if unknown := filters[2]:
            raise DisallowedModelAdminLookup(f"There is no filter {', '.join(unknown)}.")
        return filters

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one more key to know whether there is a next page.

        The keys come first, from the filter's index alone. For whole rows,
        PostgreSQL prefers the index on times and reads all rows that do not match.
        """
        way, rows = self._page(request.GET.get(PAGE_VAR, ""))
        keys = list(rows.values_list("pk", flat=True)[: self.list_per_page + 1])
        is_more = len(keys) > self.list_per_page
        shown = list(self.queryset.filter(pk__in=keys[: self.list_per_page]))
        if shown and (is_more or way == BACK):
            self.next_page = self._beside(FORWARD, shown[-1])
        if shown and (way == FORWARD or (way == BACK and is_more)):
            self.previous_page = self._beside(BACK, shown[0])
        self.first_page = self.get_query_string() if way else ""
        self.result_list = shown  # Django only iterates over it
        # Django's texts then count the shown rows, and offer no action on all rows.
        self.result_count = self.full_result_count = len(shown)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(shown)

    @property
    def is_latest_first(self) -> bool:
        return self.leading.startswith("-")

    def _page(self, text: str) -> tuple[str, QuerySet[Any]]:
        """Return a page's direction and rows; the first page for an invalid position."""
        way, _, place = text.partition("~")
        value, _, key = place.rpartition("~")
        try:
            beside = _value(self._column(), value), _value(self.opts.pk, key)
        except (ValidationError, ValueError, OverflowError):
            return "", self.queryset
        if way == FORWARD:
            return way, beyond(self.queryset, self.leading, *beside)
        if way == BACK:
            return way, beyond(self.queryset, _reversed(self.leading), *beside).reverse()
        return "", self.queryset

    def _beside(self, way: str, row: Model) -> str:
        value = self._column().value_to_string(row)
        return self.get_query_string({PAGE_VAR: f"{way}~{value}~{row.pk}"})

    def _column(self) -> Any:
        return self.opts.get_field(self.leading.removeprefix("-"))


def _reversed(leading: str) -> str:
    return leading.removeprefix("-") if leading.startswith("-") else f"-{leading}"


def _value(field: "Field[Any, Any]", text: str) -> Any:
    """Parse a column's value; ValidationError, ValueError or OverflowError if it is invalid."""
    value = field.to_python(text)
    field.run_validators(value)
    if value in (None, "") or (isinstance(value, datetime) and is_naive(value)):
        raise ValueError("no position")
    prepare: Callable[..., Any] = field.get_db_prep_value
    prepare(value, connection)
    return value
