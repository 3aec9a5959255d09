"""The message about a finished action: a sentence, a link to its events, and Undo where there is one."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.template.backends.utils import csrf_input
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from common import context

_MAY_VIEW = "audit_app.view_auditlog"


@dataclass(frozen=True)
class Undo:
    """The reverse action: its address, and the values of its form besides the reason."""

    address: str
    title: str
    values: Iterable[tuple[str, str]] = ()


def result(request: HttpRequest, sentence: str, undo: Undo | None = None) -> SafeString:
    """Return the message. Undo is a form of one button, so that it works without JavaScript."""
    parts = [format_html("{}", sentence), _events(request), _button(request, undo)]
    return format_html_join(" ", "{}", ((part,) for part in parts if part))


def _events(request: HttpRequest) -> str:
    request_id = context.current().request_id
    if not (request_id and request.user.has_perm(_MAY_VIEW)):
        return ""
    query = urlencode({"request": request_id})
    page = reverse("admin:audit_app_auditlog_changelist")
    return format_html('<a href="{}?{}">Show in the audit log</a>', page, query)


def _button(request: HttpRequest, undo: Undo | None) -> str:
    if undo is None:
        return ""
    hidden = [*undo.values, ("reason", f"Undo: {undo.title}")]
    return format_html(
        '<form method="post" action="{}" class="undo">{}{}<button>Undo</button></form>',
        undo.address,
        csrf_input(request),
        format_html_join("", '<input type="hidden" name="{}" value="{}">', hidden),
    )
