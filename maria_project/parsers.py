"""A JSON parser for untrusted input."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from common.text import UNSTORABLE
from maria_project.exceptions import BodyTooLarge


class StrictJSONParser(JSONParser):
    """Parses one JSON object of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    Answers 400 or 413 to input that would fail later: deep nesting, numbers
    beyond a float, NaN, invalid UTF-8, and NUL and lone surrogates, which the
    databases do not store.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge
        try:
            text = body.decode()
            values = json.loads(text, parse_float=_finite, parse_constant=_refuse)
            if not isinstance(values, dict) or any(map(UNSTORABLE.search, _texts(values))):
                raise ParseError
        except (ValueError, RecursionError) as error:
            raise ParseError from error
        return values


def _texts(value: object) -> Iterator[str]:
    """Yield every key and string. json.dumps would escape NUL."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(pair)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
