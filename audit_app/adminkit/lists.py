"""Lists that stay quick on tables of millions: pages are found by key, and nothing is counted."""

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

FORTH, BACK = "after", "before"


def beyond(rows: QuerySet[Any], leading: str, value: Any, key: Any) -> QuerySet[Any]:
    """Return the rows that follow one in a list ordered by `leading` (`-created_at`), then by key.

    `value` and `key` are that row's. Both run in the same direction, and the
    column is never null. The first condition is what an index can begin at.
    """
    column, ways = leading.removeprefix("-"), ("gte", "lte")
    onward, backward = reversed(ways) if leading.startswith("-") else ways
    return rows.filter(Q(**{f"{column}__{onward}": value})).exclude(
        **{column: value, f"pk__{backward}": key}
    )


def in_order(rows: QuerySet[Any], leading: str) -> QuerySet[Any]:
    """Order rows as `beyond` expects them."""
    return rows.order_by(leading, "-pk" if leading.startswith("-") else "pk")


class KeyedChangeList(ChangeList):
    """A list in its one order, whose pages begin beside a row and not at a number.

    So no page reads the rows before it, as an OFFSET must, and none needs to
    know how many there are. The address takes no filter but those on offer:
    any other could ask row by row for what the pages mask.
    """

    previous_page = next_page = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        # Not what `?o=` asks for: a sort by any column needs an index on it.
        self.leading = str(
            [*self.model_admin.get_ordering(request), *(self.opts.ordering or ())][0]
        )
        return list(in_order(queryset, self.leading).query.order_by)

    def get_filters(self, request: HttpRequest) -> Any:
        filters = super().get_filters(request)
        if unknown := filters[2]:
            raise DisallowedModelAdminLookup(f"No filter asks for {', '.join(unknown)}.")
        return filters

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one key more to know whether there is another.

        Keys first: the index that a filter begins has them too, and alone it is
        quick on any rows. Asked for whole rows, PostgreSQL rather walks along
        the times, and past all the rows that do not fit.
        """
        way, rows = self._page(request.GET.get(PAGE_VAR, ""))
        keys = list(rows.values_list("pk", flat=True)[: self.list_per_page + 1])
        is_more = len(keys) > self.list_per_page
        shown = list(self.queryset.filter(pk__in=keys[: self.list_per_page]))
        if shown and (is_more or way == BACK):
            self.next_page = self._beside(FORTH, shown[-1])
        if shown and (way == FORTH or (way == BACK and is_more)):
            self.previous_page = self._beside(BACK, shown[0])
        self.first_page = self.get_query_string() if way else ""
        self.result_list = shown  # Django only iterates over it
        # Django's texts count what is shown, and offer nothing that reaches beyond it.
        self.result_count = self.full_result_count = len(shown)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(shown)

    @property
    def is_latest_first(self) -> bool:
        """Whether pages are older and newer, not just previous and next."""
        return self.leading.startswith("-")

    def _page(self, text: str) -> tuple[str, QuerySet[Any]]:
        """Return which way a page lies, and its rows; the first page for what cannot be read."""
        way, _, place = text.partition("~")
        value, _, key = place.rpartition("~")
        try:
            beside = _value(self._column(), value), _value(self.opts.pk, key)
        except (ValidationError, ValueError, OverflowError):
            return "", self.queryset
        if way == FORTH:
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
    """Read a column's value; raise one of several errors if the column could not hold it."""
    value = field.to_python(text)
    field.run_validators(value)
    if value in (None, "") or (isinstance(value, datetime) and is_naive(value)):
        raise ValueError("no position")
    prepare: Callable[..., Any] = field.get_db_prep_value
    prepare(value, connection)
    return value
