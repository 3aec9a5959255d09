"""Template tags of the admin pages: registered sections, and the state of the queue."""

from datetime import timedelta
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from audit_app.adminkit.registry import extensions
from common.worker import heartbeat_age, is_queue_well

register = template.Library()


@register.simple_tag(takes_context=True)
def adminkit_sections(context: template.Context) -> SafeString:
    """Render the sections that apps have registered for the model of the page's row."""
    row, request = context["original"], context["request"]
    sections = (section(request, row) for section in extensions(type(row)).sections)
    return format_html_join(
        "\n", "{}", ((render_to_string(name, values, request),) for name, values in sections)
    )


@register.inclusion_tag("adminkit/queue_warning.html")
def queue_warning() -> dict[str, Any]:
    """Warn that scheduled and queued tasks do not run, if no worker finishes any."""
    age = heartbeat_age()
    return {
        "is_well": is_queue_well(),
        "age": age,
        "minutes": age // timedelta(minutes=1) if age else 0,
    }
