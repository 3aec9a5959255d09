"""The overview on the admin's first page."""

from typing import Any

from django import template

from backoffice_app import dashboard as overview_of

register = template.Library()


@register.simple_tag(takes_context=True)
def overview(context: dict[str, Any]) -> dict[str, Any]:
    """Return what has been counted, as far as the staff member may know it."""
    return overview_of.build_overview(context["request"])
