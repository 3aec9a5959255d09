"""The frame of the console's pages."""

from typing import Any

from django import template

from backoffice_app import navigation as pages

register = template.Library()


@register.inclusion_tag("backoffice/shell/navigation.html", takes_context=True)
def navigation(context: template.Context) -> dict[str, Any]:
    """Render the navigation with the menu of the signed-in person."""
    request = context["request"]
    return {"groups": pages.navigation(request), "user": request.user}


@register.inclusion_tag("backoffice/shell/search_bar.html", takes_context=True)
def search_bar(context: template.Context) -> dict[str, Any]:
    """Render the search of every page. The dashboard opens with the focus in it."""
    request = context["request"]
    return {
        "may_search": pages.may_search(request),
        "term": context.get("term", ""),
        "is_focused": request.path == pages.LINKS[0].address,
    }


@register.simple_tag(takes_context=True)
def place_name(context: template.Context, otherwise: str) -> str:
    """Return the name that the navigation has for this list, or the model's."""
    return pages.current_title(context["request"]) or str(otherwise).capitalize()
