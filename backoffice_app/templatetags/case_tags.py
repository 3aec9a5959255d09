"""The card of a session's page."""

from typing import Any

from django import template

from backoffice_app.case.card import card
from uploads_app.models import UploadedFile

register = template.Library()


@register.inclusion_tag("backoffice/session_card.html", takes_context=True)
def session_card(context: dict[str, Any]) -> dict[str, Any]:
    shown = card(context["request"], context["original"], context["row_actions"])
    return {**shown, "perms": context["perms"]}


@register.simple_tag(takes_context=True)
def count_files(context: dict[str, Any]) -> int:
    """Count the files of the page's session, in any state."""
    return UploadedFile.objects.filter(session=context["original"]).count()
