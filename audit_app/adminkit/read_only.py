"""The base class of every admin page: it shows rows and never changes them."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from audit_app.adminkit.columns import columns
from audit_app.adminkit.lists import KeyedChangeList
from audit_app.adminkit.sorts import Sort


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """An admin that only shows rows. Every change is a call of a service.

    Lists of large tables stay fast: they count up to a cap, and have only the orders
    of `sorts` or the first of `ordering`, and then the key. Each needs an index.
    """

    change_list_template = "adminkit/change_list.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    sorts: tuple[Sort, ...] = ()
    list_per_page = 50
    actions: Any = None

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return columns(self.model, super().get_list_display(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeyedChangeList]:
        return KeyedChangeList

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any) -> Any:
        # "All rows of the list" is refused: an action applies to selected rows only.
        if request.POST.get("select_across", "0") != "0":
            messages.error(request, "Nothing was done: select the rows one by one, page by page.")
            return None
        return super().response_action(request, queryset, *args)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
