"""Lists that stay fast with millions of rows: keyset pagination, and counts up to a cap."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import is_naive

from audit_app.adminkit.sorts import Sort

FORWARD, BACK = "after", "before"
# A list says "10,000+" instead of counting further.
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class ListOrder:
    """A link to the list in another order."""

    label: str
    address: str
    is_chosen: bool


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
    """A list with the orders of its admin's `sorts`, and keyset pagination.

    A page begins after a row, not at an OFFSET: it does not read the rows before
    it and needs no count. The query string accepts only the offered filters:
    any other filter could find out masked values row by row.
    """

    previous_page = next_page = extent = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        # Any other `?o=` is ignored: its order would need an index.
        default = [*self.model_admin.get_ordering(request), *(self.opts.ordering or ())][0]
        active = self.get_filters_params()
        chosen = [sort.order for sort in self._sorts if sort.fits(active)]
        requested = request.GET.get(ORDER_VAR, "")
        self.leading = requested if requested in chosen else str(default)
        self.is_default = self.leading == str(default)
        return list(in_order(queryset, self.leading).query.order_by)

    @property
    def orders(self) -> list[ListOrder]:
        """The orders that an index serves with the active filters, or with one more."""
        active = self.get_filters_params()
        return [
            ListOrder(sort.label, self._ordered(sort), sort.order == self.leading)
            for sort in self._sorts
            if sort.may_fit(active)
        ]

    @property
    def _sorts(self) -> tuple[Sort, ...]:
        sorts: tuple[Sort, ...] = getattr(self.model_admin, "sorts", ())
        return sorts

    def _ordered(self, sort: Sort) -> str:
        needed = {name: value for name, value in sort.needs.items() if name not in self.params}
        return self.get_query_string({ORDER_VAR: sort.order, PAGE_VAR: None, **needed})

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
        self.extent = self._extent(len(shown), way, is_more=is_more)
        self.result_list = shown  # Django only iterates over it
        # Django's texts then count the shown rows, and offer no action on all rows.
        self.result_count = self.full_result_count = len(shown)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(shown)

    def _extent(self, shown: int, way: str, *, is_more: bool) -> str:
        """Return the first page's place among all rows, which are counted up to a cap."""
        if way or not shown:
            return f"{shown} on this page"
        total = self.queryset.values("pk")[: MOST_COUNTED + 1].count() if is_more else shown
        return f"1–{shown} of {min(total, MOST_COUNTED):,}{'+' if total > MOST_COUNTED else ''}"

    @property
    def is_latest_first(self) -> bool:
        return self.is_default and self.leading.startswith("-")

    @property
    def active_filters(self) -> str:
        """The chosen filters in words: `status: Revoked`."""
        chosen = [
            f"{spec.title}: {choice['display']}"
            for spec in self.filter_specs
            for choice in list(spec.choices(self))[1:]
            if choice["selected"]
        ]
        return ", ".join(chosen)

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
