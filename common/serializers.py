"""Serializer kit: cached serializers, and text fields that remove hidden characters."""

import stringprep
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any

from django.contrib.auth.models import BaseUserManager
from django.utils.encoding import punycode
from django.utils.timezone import get_default_timezone
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from common.text import showable


@cache
def _serializer(serializer_class: type[serializers.Serializer[Any]]) -> Any:
    serializer: Any = serializer_class()
    columns = _columns(serializer)
    for field in serializer.fields.values():
        _shorten(field, is_column=field.source in columns)
    # DRF's own mapping takes two calls for each field.
    serializer.fields = dict(serializer.fields)
    return serializer


def _shorten(field: Any, *, is_column: bool) -> None:
    """Spare a cached serializer's field the calls that always have the same result."""
    # See `validated`. DRF looks at each character once more.
    field.validators = [
        validator
        for validator in field.validators
        if not isinstance(validator, ProhibitSurrogateCharactersValidator)
    ]
    if is_column:
        # Without the questions that other attributes need: is it there, is it a function?
        field.get_attribute = attrgetter(field.source)
    if isinstance(field, serializers.DateTimeField):
        # What `default_timezone` sets. Without it each value asks for the thread's time zone.
        field.timezone = get_default_timezone()
        if str(field.timezone) == "UTC" and not hasattr(field, "format"):
            vars(field)["to_representation"] = _in_utc(field.to_representation)


def _in_utc(represent: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what represents a time as `represent` does, which takes eleven calls for each."""

    def representation(value: Any) -> Any:
        if type(value) is datetime and value.tzinfo is UTC:
            return f"{value.isoformat()[: -len('+00:00')]}Z"
        return represent(value)

    return representation


def _columns(serializer: Any) -> set[str]:
    """Return the names of the plain columns of a serializer's model, if it has one."""
    if not isinstance(serializer, serializers.ModelSerializer):
        return set()
    model: Any = serializer.Meta.model
    columns = model._meta.concrete_fields
    return {column.name for column in columns if not column.is_relation}


def serialize(serializer_class: type[serializers.Serializer[Any]], instance: Any) -> dict[str, Any]:
    """Return `instance` in the representation of a serializer class.

    One serializer per class is cached: building one introspects its model,
    which takes longer than the rest of a simple answer.
    """
    values: dict[str, Any] = _serializer(serializer_class).to_representation(instance)
    return values


def validated(serializer_class: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the values of `data` that a serializer class accepts; raises ValidationError.

    `data` comes from the JSON parser, which has refused surrogates.
    """
    try:
        values: dict[str, Any] = _serializer(serializer_class).run_validation(data)
    except serializers.ValidationError:
        # A serializer keeps its errors, so the one that describes them is not shared.
        serializer_class(data=data).is_valid(raise_exception=True)
        raise
    return values


class ShownField(serializers.CharField):
    """Text without characters that deceive; the length limit applies to the rest."""

    def to_internal_value(self, data: Any) -> str:
        return showable(super().to_internal_value(data))


class MailboxField(serializers.EmailField):
    """A valid e-mail address without characters that deceive, its domain in lower case."""

    def to_internal_value(self, data: Any) -> str:
        email = BaseUserManager.normalize_email(showable(super().to_internal_value(data)))
        domain = email.rpartition("@")[2]
        # Django's mail follows IDNA 2003. It drops these, so the code would go to another domain.
        if any(map(stringprep.in_table_b1, domain)):
            self.fail("invalid")
        try:
            punycode(domain)
        except UnicodeError:
            self.fail("invalid")
        return email
