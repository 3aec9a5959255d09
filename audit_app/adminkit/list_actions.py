"""Lists whose rows can be ticked, and the actions on the ticked rows."""

from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit_app.adminkit.action_admin import ActionAdmin, returns_to
from audit_app.adminkit.actions import Action, ActionLink
from audit_app.adminkit.registry import extensions


class ListActionAdmin(ActionAdmin):
    """An admin whose list offers the registered actions on the rows that staff tick.

    The boxes belong to the form `chosen` beside the list, whose buttons name the actions.
    """

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                f"several/{action.name}/",
                self.admin_site.admin_view(partial(self.list_action_view, action)),
                name=self._view_name(action),
            )
            for action in extensions(self.model).list_actions
        ]
        return [*pages, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = super().get_list_display(request)
        return ["action_checkbox", *shown] if self._list_links(request) else shown

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> list[Any]:
        return [next(name for name in list_display if name != "action_checkbox")]

    def action_checkbox(self, obj: Any) -> SafeString:
        """Return the box of a row. Django shows the box above them, which ticks all (lists.js)."""
        box = (
            '<input type="checkbox" name="chosen" form="chosen" value="{}" aria-label="Choose {}">'
        )
        return format_html(box, obj.pk, obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        links = {"list_links": self._list_links(request), "here": request.get_full_path()}
        return super().changelist_view(request, {**(extra_context or {}), **links})

    def list_action_view(self, action: Action, request: HttpRequest) -> HttpResponseBase:
        """Show the form of an action on the chosen rows, or carry it out."""
        if not (request.user.has_perm(action.permission) and self.has_view_permission(request)):
            raise PermissionDenied
        rows = extensions(self.model).chosen(request)
        context = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "opts": self.opts,
            "back": returns_to(request, reverse(f"admin:{self._view_name()}_changelist")),
        }
        return self._ask_or_act(action, request, rows, context)

    def _list_links(self, request: HttpRequest) -> list[ActionLink]:
        return [
            ActionLink(
                action.name,
                action.title,
                reverse(f"admin:{self._view_name(action)}"),
                action.is_final,
            )
            for action in extensions(self.model).list_actions
            if request.user.has_perm(action.permission)
        ]

    def _view_name(self, action: Action | None = None) -> str:
        model = f"{self.opts.app_label}_{self.opts.model_name}"
        return f"{model}_several_{action.name}" if action else model
