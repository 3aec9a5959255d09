"""What the search box needs besides its address."""

from typing import Any

from django import template

from backoffice_app.search.following import ResultPlace, place_of
from backoffice_app.search.terms import SUGGESTED

register = template.Library()


@register.simple_tag
def suggested_terms() -> str:
    """Return the pattern of the terms for which the box offers matches."""
    return SUGGESTED


@register.simple_tag(takes_context=True)
def result_place(context: Any) -> ResultPlace | None:
    """Return the place of this page in the results that it was opened from."""
    request = context.get("request")
    return place_of(request) if request else None
