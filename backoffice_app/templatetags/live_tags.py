"""Live pages: where and since which revision a page polls, and what needs attention."""

from typing import Any

from django import template
from django.urls import reverse

from audit_app.adminkit.polls import is_poll
from backoffice_app.dashboard.attention import Problem, problems
from backoffice_app.dashboard.lists import ListAccess
from backoffice_app.live.revisions import of_system

register = template.Library()


@register.inclusion_tag("backoffice/live/page.html", takes_context=True)
def live_page(context: dict[str, Any], view: str) -> dict[str, str]:
    """Let the dashboard or the queue poll the address of a view. Use it before the data is read."""
    is_open = is_poll(context["request"])
    return {"address": reverse(view), "revision": "" if is_open else of_system()}


@register.simple_tag(takes_context=True)
def needs_attention(context: dict[str, Any]) -> list[Problem]:
    """Return the problems that this staff member may see; only for a poll, because that costs statements."""
    request = context.get("request")  # the navigation has none
    return problems(ListAccess(request)) if request and is_poll(request) else []
