"""Admin pages with actions that ask for a reason, further pages, and masked personal values."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.exceptions import APIException

from audit_app.adminkit import disclosure
from audit_app.adminkit.actions import Action, ActionLink, ActionRequest, NotDone, RowPage
from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.adminkit.reasons import REVEAL_PRESETS, ReasonForm
from audit_app.adminkit.registry import extensions
from audit_app.adminkit.results import Undo, result
from common.templatetags.console import copy

_CHANGED = "Nothing was done: the data has changed since you opened the page."
_AGAIN = "Check it, and confirm again if you still want this."
_TOO_LATE = "This action is no longer possible. What you typed is still here, to copy."


class ActionAdmin(ReadOnlyAdmin):
    """An admin whose row pages offer the model's own and the registered actions and pages.

    If `reveals`, the pages mask personal values until a staff member with the
    permission states a reason. A reveal holds for every page about the same session.
    Opening a page about a session is recorded.
    """

    change_form_template = "adminkit/change_form.html"
    row_actions: tuple[Action, ...] = ()
    row_pages: tuple[RowPage, ...] = ()
    reveals = False

    def sessions_of(self, row: Any) -> list[uuid.UUID]:
        """Return the sessions whose visitor a row is about."""
        return []

    def page_name(self, row: Any) -> str:
        return f"{self.opts.model_name}:{row.pk}"

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None and self.reveals:
            sessions, page = self.sessions_of(row), self.page_name(row)
            row.revealed_until = disclosure.revealed_until(request, sessions, page)
            row.is_revealed = row.revealed_until is not None
        return row

    def get_urls(self) -> list[URLPattern]:
        views = [
            *((action.name, partial(self.action_view, action)) for action in self._actions()),
            *((page.name, partial(self.page_view, page)) for page in self._pages()),
        ]
        pages = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name, view in views
        ]
        return [*pages, *super().get_urls()]

    def render_change_form(self, request: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        row = context["original"]
        if row is not None:
            if sessions := self.sessions_of(row):
                disclosure.record_view(
                    session_uuids=sessions,
                    page=str(self.opts.model_name),
                    interval=disclosure.view_interval(request),
                )
            context["row_actions"] = self.action_links(request, row)
            context["row_pages"] = [
                (self._address(page.name, row), page.title)
                for page in self._pages()
                if request.user.has_perm(page.permission) and page.fits(row)
            ]
        response: Any = super().render_change_form(request, context, *args, **kwargs)
        response.template_name = extensions(self.model).template or response.template_name
        return response

    def action_links(
        self, request: HttpRequest, row: Any, page: str = "change"
    ) -> list[ActionLink]:
        """Return each action of a page that this staff member may use on a row now."""
        return [
            ActionLink(action.name, action.title, self._address(action.name, row), action.is_final)
            for action in self._actions()
            if action.page == page and request.user.has_perm(action.permission) and action.fits(row)
        ]

    def page_view(self, page: RowPage, request: HttpRequest, object_id: str) -> HttpResponseBase:
        row = self._permitted_row(request, page.permission, object_id)
        if not page.fits(row):
            raise Http404
        context = {
            **self._context(request, row, page.title),
            "page": page,
            "row_actions": self.action_links(request, row, page.name),
        }
        return page.show(request, row, context)

    def action_view(self, action: Action, request: HttpRequest, object_id: str) -> HttpResponseBase:
        row = self._permitted_row(request, action.permission, object_id)
        back = returns_to(request, self._address(action.back or action.page, row))
        context = {**self._context(request, row, action.title), "back": back}
        return self._ask_or_act(action, request, row, context)

    def _ask_or_act(
        self, action: Action, request: HttpRequest, row: Any, context: dict[str, Any]
    ) -> HttpResponseBase:
        """Show the action's form, or carry it out; ask again if the row has changed meanwhile."""
        seen = action.state(row)
        make_form = partial(action.form, presets=action.presets, row=row)
        data = request.POST if request.method == "POST" else None
        form = make_form(data, initial={**action.initial(request), "seen": seen})
        if form.is_valid():
            if form.cleaned_data["seen"] in ("", seen):
                return self._act(action, request, row, form.cleaned_data, context["back"])
            form = make_form(initial={**_as_typed(form), "seen": seen})
            is_too_late = not action.fits(row)
            messages.warning(request, f"{_CHANGED} {_TOO_LATE if is_too_late else _AGAIN}")
        else:
            is_too_late = False
        context |= {
            "action": action,
            "is_too_late": is_too_late,
            "effect": action.effect(row) if action.effect else None,
            "form": form,
        }
        return TemplateResponse(request, "adminkit/action.html", context)

    def _permitted_row(self, request: HttpRequest, permission: str, object_id: str) -> Any:
        if not (request.user.has_perm(permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def _context(self, request: HttpRequest, row: Any, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": f"{title}: {self.opts.verbose_name} {row}",
            "original": row,
            "opts": self.opts,
        }

    def _act(
        self, action: Action, request: HttpRequest, row: Any, values: Mapping[str, Any], back: str
    ) -> HttpResponseBase:
        try:
            done = action.act(row, ActionRequest(request, values["reason"], values))
        except (NotDone, APIException) as error:
            messages.error(request, str(error))
        else:
            if not isinstance(done, str):
                return done
            messages.success(request, result(request, done, self._undo(action, request, row)))
        return HttpResponseRedirect(back)

    def _undo(self, action: Action, request: HttpRequest, row: Any) -> Undo | None:
        reverse_action = next((one for one in self._actions() if one.name == action.undo), None)
        if reverse_action is None or not request.user.has_perm(reverse_action.permission):
            return None
        address = self._address(reverse_action.name, row)
        query = request.GET.urlencode()
        return Undo(f"{address}?{query}" if query else address, action.title)

    def _address(self, page: str, row: Any) -> str:
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(view, args=[row.pk])

    def _actions(self) -> Sequence[Action]:
        reveal = [self._reveal_action()] if self.reveals else []
        return (*self.row_actions, *extensions(self.model).actions, *reveal)

    def _pages(self) -> Sequence[RowPage]:
        return (*self.row_pages, *extensions(self.model).pages)

    def _reveal_action(self) -> Action:
        return Action(
            name="reveal",
            at_once=True,
            permission=disclosure.MAY_REVEAL,
            title="Reveal",
            explanation="The pages of this session, its files, its events and its person show you the "
            "names, addresses and file names of this session for 15 minutes. The audit log records "
            "that you saw them, and why. The visitor's own history says that staff saw them, without "
            "your name.",
            button="Show them for 15 minutes",
            fits=lambda row: not getattr(row, "is_revealed", True),
            act=self._reveal,
            presets=REVEAL_PRESETS,
            state=lambda _: "",
        )

    def _reveal(self, row: Any, action_request: ActionRequest) -> str:
        disclosure.reveal(
            action_request.request,
            session_uuids=self.sessions_of(row),
            page=self.page_name(row),
            reason=action_request.reason,
        )
        return "Personal values of this session are shown to you for 15 minutes, on all its pages."


def returns_to(request: HttpRequest, default: str) -> str:
    """Return the page of the admin that the address names, or the default."""
    named = request.GET.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(named, allowed_hosts=None)
    return named if is_ours and named.startswith(reverse("admin:index")) else default


def _as_typed(form: ReasonForm) -> dict[str, Any]:
    return {name: form[name].value() for name in form.fields}


def personal(
    field: str, masked: Callable[[str], str], description: str = ""
) -> Callable[[Any, Any], str]:
    """Return an admin column for a personal value: masked unless it was revealed on this page."""

    @admin.display(description=description or field, ordering=None)
    def shown(self: Any, row: Any) -> str:
        value: str = getattr(row, field)
        return value if getattr(row, "is_revealed", False) else masked(value)

    return shown


def copied(field: str, description: str = "") -> Callable[[Any, Any], str]:
    """Return an admin field for a code, an id or a hash, with a button that copies it."""

    @admin.display(description=description or field, ordering=None)
    def shown(self: Any, row: Any) -> str:
        value = getattr(row, field)
        label = description or field
        return format_html("{} {}", value, copy(value, label)) if value else "–"

    return shown
