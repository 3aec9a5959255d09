"""The time zone that a page's times are in."""

from django import template
from django.utils import timezone

register = template.Library()


@register.simple_tag
def zone_in_use() -> str:
    """Name the zone as the IANA database does, like `Europe/Berlin`."""
    return str(timezone.get_current_timezone())
