from django import template
from django.utils import timezone

register = template.Library()


@register.simple_tag
def zone_in_use() -> str:
    """Return the IANA name of the current zone, such as `Europe/Berlin`."""
    return str(timezone.get_current_timezone())
