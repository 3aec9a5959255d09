"""What the search box needs besides its address."""

from django import template

from backoffice_app.search.terms import SUGGESTED

register = template.Library()


@register.simple_tag
def suggested_terms() -> str:
    """Return the pattern of the terms for which the box offers matches."""
    return SUGGESTED
