"""A JSON parser for untrusted input."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from common.text import UNSTORABLE
from maria_project.exceptions import BodyTooLarge

# An error message quotes a value, which fails if that is nested as deeply as Python permits.
_DEEPEST = 100


class StrictJSONParser(BaseParser):
    """Parses one JSON object of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    It is not a JSONParser, for which DRF first copies the body.

    Answers 400 or 413 to input that would fail later: deep nesting, numbers
    beyond a float, NaN, invalid UTF-8, and NUL and lone surrogates, which the
    databases do not store.
    """

    media_type = "application/json"

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
            values: dict[str, Any] = _DECODER.decode(text)
            if not isinstance(values, dict):
                raise ParseError
            if not _is_plain(text) and any(map(UNSTORABLE.search, _texts(values))):
                raise ParseError
        except (ValueError, RecursionError) as error:
            raise ParseError from error
        return values


def _is_plain(text: str) -> bool:
    """Return whether there is nothing to find: no deep nesting, and no escaped character.

    UTF-8 and JSON have NUL and lone surrogates only as escapes.
    """
    return "\\u" not in text and text.count("[") + text.count("{") <= _DEEPEST


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """Yield every key and string; raises ValueError if they are nested too deeply."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
