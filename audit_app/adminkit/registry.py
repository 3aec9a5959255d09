"""Actions, pages and sections that an app adds to the admin pages of an app below it.

An app registers them while Django starts, before the admin's URLs are built.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from audit_app.adminkit.actions import Action, RowPage, Section


@dataclass
class Extensions:
    actions: list[Action] = field(default_factory=list)
    pages: list[RowPage] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    template: str = ""
    list_actions: tuple[Action, ...] = ()
    chosen: Callable[[HttpRequest], Any] = lambda _: None


_extensions: defaultdict[type[Model], Extensions] = defaultdict(Extensions)


def extensions(model: type[Model]) -> Extensions:
    return _extensions[model]


def register_actions(model: type[Model], *actions: Action) -> None:
    """Offer these actions on the page of each row of `model`, after the model's own."""
    _extensions[model].actions.extend(actions)


def register_list_actions(
    model: type[Model], chosen: Callable[[HttpRequest], Any], *actions: Action
) -> None:
    """Offer these actions in the list of `model`. They get what `chosen` returns for a request."""
    _extensions[model].chosen = chosen
    _extensions[model].list_actions = actions


def register_pages(model: type[Model], *pages: RowPage) -> None:
    """Add these pages to each row of `model`, after the model's own."""
    _extensions[model].pages.extend(pages)


def register_template(model: type[Model], template: str) -> None:
    """Show each row of `model` with this template."""
    _extensions[model].template = template


def register_sections(model: type[Model], *sections: Section) -> None:
    """Show these sections below the fields of each row of `model`, in this order."""
    _extensions[model].sections.extend(sections)
