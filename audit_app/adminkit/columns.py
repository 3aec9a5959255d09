"""The columns of lists: a time is shown as "2 min ago", a state as a badge."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Field, Model

from common.templatetags.console import ago, state_badge

Column = str | Callable[[Any], str]


def columns(model: type[Model], names: Iterable[Any]) -> list[Any]:
    """Return what a list shows for these names of its `list_display`."""
    return [_column(model, name) for name in names]


def _column(model: type[Model], name: Any) -> Column:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name  # type: ignore[no-any-return]
    if isinstance(field, DateTimeField):
        return _shown(field, lambda row: ago(getattr(row, name)))
    if isinstance(field, Field) and field.choices:
        words = dict(field.flatchoices)
        return _shown(field, lambda row: _badge(getattr(row, name), words))
    return str(name)


def _badge(value: str, words: dict[Any, Any]) -> str:
    return state_badge(value, words.get(value, value)) if value else "–"


def _shown(field: "Field[Any, Any]", show: Callable[[Any], str]) -> Callable[[Any], str]:
    show.__name__ = field.name  # the class of its cells
    decorate: Callable[[Callable[[Any], str]], Callable[[Any], str]] = admin.display(
        description=str(field.verbose_name)
    )
    return decorate(show)
