"""The dashboard on the admin's first page."""

from typing import Any

from django import template

from backoffice_app.dashboard.page import build_dashboard

register = template.Library()


@register.simple_tag(takes_context=True)
def dashboard(context: dict[str, Any]) -> dict[str, Any]:
    return build_dashboard(context["request"])
