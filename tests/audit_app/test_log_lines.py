"""Every log line is one JSON record, so that a request cannot forge a line."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from common import context
from tests.helpers import Visitor

BAD = {
    "CR and LF": 'a\r\n{"level": "INFO", "message": "forged"}\r\nb',
    "ANSI escapes": "\x1b[2J\x1b]0;owned\x07",
    "C1 controls": "\x9b31m\x85",
    "separators": "\u2028\u2029",
    "NUL": "a\x00b",
    "lone surrogate": "\ud800",
    "quotes": "\"}'{\\",
    "percent": "%s %(x)s %d",
    "long": "x" * 20_000,
    "a quote in a header's value": 'Authorization: Bearer se"cret\\',
    "a quote in the cookie's value": 'maria_session=se"cret\\"; maria_staff=x\\u001b"',
    "the cookie at the very end": "maria_session=\\",
}
bad = pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The output of the product's log handler, at DEBUG."""
    (handler,) = (
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.name == "log"
    )
    sink = io.StringIO()
    before = handler.setStream(sink)
    yield sink
    handler.setStream(before or sys.stderr)


def records(lines: io.StringIO) -> list[dict[str, Any]]:
    """Parse each line as one record, as a log shipper does."""
    written = lines.getvalue()
    assert written.endswith("\n")
    assert written.isascii()
    assert all(line.isprintable() for line in written[:-1].split("\n"))
    return [json.loads(line) for line in written[:-1].split("\n")]


@bad
def test_t49_in_an_address_that_does_not_exist(db: None, lines: io.StringIO, text: str) -> None:
    address = quote(text, safe="", errors="surrogatepass")
    answer = Visitor().get(f"/api/v1/{address}/", {"q": text.encode("utf-8", "replace")})
    assert answer.status_code == 404
    (said,) = (line for line in records(lines) if line["logger"] == "django.request")
    assert said["level"] == "WARNING"
    assert said["message"].startswith("Not Found: /api/v1/")
    assert said["request_id"] == answer["X-Request-ID"]
    assert said["actor"] == "visitor"


@bad
def test_t49_in_headers_of_a_request_that_is_refused(
    db: None, lines: io.StringIO, text: str
) -> None:
    answer = Visitor().get(
        "/api/v1/sessions/current/",
        headers={"X-Session-UUID": text, "User-Agent": text, "Referer": text, "Host": "localhost"},
    )
    assert answer.status_code == 401
    answer = Visitor().get("/api/v1/sessions/current/", headers={"Host": text})
    assert answer.status_code in (400, 401)
    assert records(lines)


@bad
def test_t49_in_a_message_and_its_arguments(lines: io.StringIO, text: str) -> None:
    logger = logging.getLogger("tests")
    logger.warning("plain %s", text)
    logger.warning(text, extra={"key": text, "nested": {"key": [text]}})
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("with a traceback")
    said = records(lines)
    assert [line["level"] for line in said] == ["WARNING", "WARNING", "ERROR"]
    assert "ValueError" in said[2]["exc_info"]


def test_t49_a_failing_view_is_one_record_with_its_traceback(
    visitor: Visitor, lines: io.StringIO, settings: Any
) -> None:
    settings.RATE_LIMITS = {}  # every limit is looked up, so this breaks the view
    visitor.raise_request_exception = False
    answer = visitor.current()
    assert answer.status_code == 500
    said = [line for line in records(lines) if line["level"] == "ERROR"]
    assert said
    assert said[0]["request_id"] == answer["X-Request-ID"]
    assert "KeyError" in said[0]["exc_info"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("token mss1_" + "x" * 43 + ".", "token [redacted]."),
        ("Authorization: Bearer abc\nNext: line", "Authorization: [redacted]\nNext: line"),
        ('Authorization: Digest "abc" def', "Authorization: [redacted]"),
        ("Cookie: maria_session=abc; theme=dark", "Cookie: maria_session=[redacted]; theme=dark"),
        ('{"Cookie": "maria_staff=abc"}', '{"Cookie": "maria_staff=[redacted]'),
        ("maria_session=ab\\c", "maria_session=[redacted]"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_t49_a_redacted_line_is_still_one_record(
    lines: io.StringIO, message: str, shown: str
) -> None:
    logging.getLogger("tests").warning(message)
    (said,) = records(lines)
    assert said["message"].startswith(shown)
    assert "abc" not in said["message"]


def test_a_line_names_the_actor(lines: io.StringIO) -> None:
    with context.as_actor("operator:anna"):
        logging.getLogger("tests").info("hello")
    (said,) = records(lines)
    assert said["actor"] == "operator:anna"
    assert said["request_id"] is None
