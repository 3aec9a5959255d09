"""What an admin page can offer: an action that asks for a reason, a further page, a section."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from audit_app.adminkit.reasons import PRESETS, ReasonForm


class NotDone(Exception):
    """The action was not carried out. The text states the reason."""


@dataclass(frozen=True)
class ActionRequest:
    """One submitted action: its HTTP request, the reason, and the form's other values."""

    request: HttpRequest
    reason: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Effect:
    """What an irreversible action removes (`removed`) and keeps (`kept`), one short text each."""

    removed: Sequence[str]
    kept: Sequence[str]


def _status(row: Any) -> str:
    return str(getattr(row, "status", ""))


@dataclass(frozen=True)
class Action:
    """What staff may do to a row: the permission, the matching rows, the form and the function.

    `act` gets the row and the submitted form. It returns the success message,
    or the whole response (a file). It raises NotDone or an APIException if it
    is too late. `state` is the value that must not change between the form and its
    submission. `initial` reads values for the form from the query string. `page` is
    the page that links to the action, and to which the action returns (unless
    `back` names another): `change`, or the name of a RowPage. `is_final` marks an
    action that nothing can undo, `undo` is the name of the reverse action. `at_once`
    marks one that a click on a ready reason carries out.
    """

    name: str
    permission: str
    title: str
    explanation: str
    button: str
    fits: Callable[[Any], bool]
    act: Callable[[Any, ActionRequest], str | HttpResponseBase]
    presets: tuple[str, ...] = PRESETS
    state: Callable[[Any], str] = _status
    form: Callable[..., ReasonForm] = ReasonForm
    effect: Callable[[Any], Effect] | None = None
    page: str = "change"
    back: str = ""
    is_final: bool = False
    undo: str = ""
    at_once: bool = False
    initial: Callable[[HttpRequest], dict[str, Any]] = lambda _: {}


@dataclass(frozen=True)
class ActionLink:
    """A link to an action, for a staff member who may use it now."""

    name: str
    title: str
    address: str
    is_final: bool


@dataclass(frozen=True)
class RowPage:
    """A further page about a row, linked from the row's own page.

    `show` gets the request, the row and the context that every admin page has.
    """

    name: str
    permission: str
    title: str
    fits: Callable[[Any], bool]
    show: Callable[[HttpRequest, Any, dict[str, Any]], HttpResponseBase]


# A part of a row's page: gets the request and the row, returns a template's name and its context.
Section = Callable[[HttpRequest, Any], tuple[str, dict[str, Any]]]
