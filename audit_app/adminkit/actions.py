"""What every app's admin is built on: pages to read, masked values, and actions that ask first."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.exceptions import APIException

from audit_app.adminkit import disclosure
from audit_app.adminkit.lists import KeyedChangeList


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """An admin that shows and never changes; whoever needs a change calls a service.

    Large tables stay quick: a list has one order, which an index has too, and
    counts nothing. What sorts it is the first of `ordering`, then the key.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    actions: Any = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeyedChangeList]:
        return KeyedChangeList

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any) -> Any:
        """Act on the rows that were ticked, never on all that a list could show."""
        if request.POST.get("select_across", "0") != "0":
            messages.error(request, "Nothing was done: choose the rows one by one, page by page.")
            return None
        return super().response_action(request, queryset, *args)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


_OTHER = "other"


class ReasonForm(forms.Form):
    """Why a staff member acts; colleagues read it in the session's history.

    `row` is what it is about. `seen` is the row's state when the page was made: if
    it has changed since, the page asks again.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    why = forms.ChoiceField(label="Reason", required=False, widget=forms.RadioSelect)
    reason = forms.CharField(
        label="In your words",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="For colleagues and for the audit log; the visitor can read it in an export. Do not "
        "name or quote the visitor.",
    )

    def __init__(
        self, *args: Any, presets: Sequence[str] = (), row: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        why = self.fields["why"]
        assert isinstance(why, forms.ChoiceField)
        if presets:
            why.choices = [*((preset, preset) for preset in presets), (_OTHER, "Another reason:")]
        else:
            del self.fields["why"]
            self.fields["reason"].label = "Reason"

    def clean(self) -> dict[str, Any]:
        """Make the preset and the written words one `reason`."""
        values = super().clean() or {}
        chosen = values.get("why", "")
        given = ("" if chosen == _OTHER else chosen, values.get("reason", "").strip())
        values["reason"] = ": ".join(part for part in given if part)
        if not values["reason"] and not self.errors:
            self.add_error("reason", "Say why: choose a reason, or write one.")
        elif len(values["reason"]) > 200:
            self.add_error(
                "reason", "Write less: with the reason chosen it is over 200 characters."
            )
        return values


class NotDone(Exception):
    """Why what a staff member asked for was not done, in a sentence."""


@dataclass(frozen=True)
class ActionRequest:
    """What a staff member asks for: in which request, why, and what else the action's form holds."""

    request: HttpRequest
    reason: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Effect:
    """What an action that cannot be undone comes to, a sentence or a few words for each thing."""

    goes: Sequence[str]
    stays: Sequence[str]


def _status(row: Any) -> str:
    return str(getattr(row, "status", ""))


@dataclass(frozen=True)
class Action:
    """What staff may do to a row: who may, to which rows, what is asked, and what does it.

    `act` is called with the row and what was asked, and returns what to tell
    the staff member, or the whole answer (a file); it raises NotDone or an
    APIException if it is too late. `state` is what must not have changed
    between asking and doing. `form` may ask for more than a reason. `effect`
    says what goes and what stays. `page` is the page that offers it, and that
    it leads back to: `change`, or the name of a Page.
    """

    name: str
    permission: str
    title: str
    explanation: str
    button: str
    fits: Callable[[Any], bool]
    act: Callable[[Any, ActionRequest], str | HttpResponseBase]
    presets: tuple[str, ...] = ()
    state: Callable[[Any], str] = _status
    form: Callable[..., ReasonForm] = ReasonForm
    effect: Callable[[Any], Effect] | None = None
    page: str = "change"


@dataclass(frozen=True)
class RowPage:
    """A further page about a row, linked from the row's own: who may, for which rows, what shows it.

    `show` is called with the request, the row and the context that every page of the admin has.
    """

    name: str
    permission: str
    title: str
    fits: Callable[[Any], bool]
    show: Callable[[HttpRequest, Any, dict[str, Any]], HttpResponseBase]


REVEAL_PRESETS = (
    "The visitor asked me to look",
    "To compare with what the caller says",
    "To find a lost file",
    "To look into abuse",
)


class ActionAdmin(ReadOnlyAdmin):
    """An admin whose pages offer actions; each has a page that asks for a reason first.

    If `reveals`, its pages hold personal values: they are masked until a staff
    member who may asks for them with a reason. Whoever opens a page about a
    session is recorded.
    """

    change_form_template = "adminkit/change_form.html"
    row_actions: tuple[Action, ...] = ()
    row_pages: tuple[RowPage, ...] = ()
    reveals = False

    def sessions_of(self, row: Any) -> list[uuid.UUID]:
        """Return the sessions whose visitor a row speaks of."""
        return []

    def page_name(self, row: Any) -> str:
        """Name a row's page, for the audit log and for what is revealed on it."""
        return f"{self.opts.model_name}:{row.pk}"

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None and self.reveals:
            row.is_revealed = disclosure.is_revealed(request, self.page_name(row))
        return row

    def get_urls(self) -> list[URLPattern]:
        views = [
            *((action.name, partial(self.action_view, action)) for action in self._actions()),
            *((page.name, partial(self.page_view, page)) for page in self.row_pages),
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
                disclosure.note_view(session_uuids=sessions, page=str(self.opts.model_name))
            context["row_actions"] = self.offered(request, row)
            context["row_pages"] = [
                (self._address(page.name, row), page.title)
                for page in self.row_pages
                if request.user.has_perm(page.permission) and page.fits(row)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def offered(
        self, request: HttpRequest, row: Any, page: str = "change"
    ) -> list[tuple[str, str]]:
        """Return the address and the title of each action that a page offers to who asks for it."""
        return [
            (self._address(action.name, row), action.title)
            for action in self._actions()
            if action.page == page and request.user.has_perm(action.permission) and action.fits(row)
        ]

    def page_view(self, page: RowPage, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show a further page about a row to who may see the row and the page."""
        if not (request.user.has_perm(page.permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None or not page.fits(row):
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"{page.title}: {self.opts.verbose_name} {row}",
            "page": page,
            "original": row,
            "opts": self.opts,
            "row_actions": self.offered(request, row, page.name),
        }
        return page.show(request, row, context)

    def action_view(self, action: Action, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask for a reason and act; say so if it was too late, ask again if the row has changed."""
        if not (request.user.has_perm(action.permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        seen = action.state(row)
        make_form = partial(action.form, presets=action.presets, row=row)
        data = request.POST if request.method == "POST" else None
        form = make_form(data, initial={"seen": seen})
        if form.is_valid():
            if form.cleaned_data["seen"] in ("", seen):
                return self._act(action, request, row, form.cleaned_data)
            messages.warning(
                request,
                "Nothing was done: this has changed since you opened the page. Look at it again, "
                "and confirm if you still want to.",
            )
            form = make_form(initial={**form.cleaned_data, "seen": seen})
        return TemplateResponse(
            request,
            "adminkit/action.html",
            {
                **self.admin_site.each_context(request),
                "title": f"{action.title}: {self.opts.verbose_name} {row}",
                "action": action,
                "effect": action.effect(row) if action.effect else None,
                "back": self._address(action.page, row),
                "form": form,
                "original": row,
                "opts": self.opts,
            },
        )

    def _act(
        self, action: Action, request: HttpRequest, row: Any, values: Mapping[str, Any]
    ) -> HttpResponseBase:
        try:
            done = action.act(row, ActionRequest(request, values["reason"], values))
        except (NotDone, APIException) as error:
            messages.error(request, str(error))
        else:
            if not isinstance(done, str):
                return done
            messages.success(request, done)
        return HttpResponseRedirect(self._address(action.page, row))

    def _address(self, page: str, row: Any) -> str:
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(view, args=[row.pk])

    def _actions(self) -> tuple[Action, ...]:
        return (*self.row_actions, self._reveal_action()) if self.reveals else self.row_actions

    def _reveal_action(self) -> Action:
        return Action(
            name="reveal",
            permission=disclosure.MAY_REVEAL,
            title="Show personal values",
            explanation="Names, addresses and file names are shown on this page, to you alone, for "
            "15 minutes. That you looked, and why, stands in the audit log; that somebody looked, in "
            "the visitor's own history.",
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
        return "Personal values are shown on this page for 15 minutes."


def extend_admin(
    model: type[Model], *, actions: Sequence[Action] = (), pages: Sequence[RowPage] = ()
) -> None:
    """Add actions and pages to a registered model's; for what needs a layer above the model's own."""
    model_admin = admin.site.get_model_admin(model)
    assert isinstance(model_admin, ActionAdmin)
    model_admin.row_actions = (*model_admin.row_actions, *actions)
    model_admin.row_pages = (*model_admin.row_pages, *pages)


def personal(
    field: str, masked: Callable[[str], str], description: str = ""
) -> Callable[[Any, Any], str]:
    """Return an admin's column for a personal value: masked, unless it was revealed on this page."""

    @admin.display(description=description or field, ordering=None)
    def shown(self: Any, row: Any) -> str:
        value: str = getattr(row, field)
        return value if getattr(row, "is_revealed", False) else masked(value)

    return shown
