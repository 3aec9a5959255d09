"""A large JSON document, streamed part by part."""

import json
from collections.abc import Iterator
from typing import Any

from rest_framework.utils.encoders import JSONEncoder


def stream_json(parts: Iterator[tuple[str, Any]]) -> Iterator[str]:
    """Yield the text of one JSON object; the items of a `map` become a list, one by one."""
    opening = "{"
    for name, value in parts:
        yield f"{opening}{json.dumps(name)}: "
        if isinstance(value, map):
            yield from _stream_list(value)
        else:
            yield json.dumps(value, cls=JSONEncoder)
        opening = ",\n"
    yield "}\n"


def _stream_list(items: Iterator[Any]) -> Iterator[str]:
    opening = "["
    for item in items:
        yield opening + json.dumps(item, cls=JSONEncoder)
        opening = ",\n"
    yield "[]" if opening == "[" else "]"
