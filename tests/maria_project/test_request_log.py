"""Each request is one log line with method, path, status and time, without the query string."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.utils.module_loading import import_string

from tests.helpers import Visitor, uploaded

FIELDS = {"method", "route", "path", "status", "milliseconds"}


class CapturedLines(logging.Handler):
    """Collects the lines of the request log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        config = project.LOGGING
        self.addFilter(import_string(config["filters"]["context"]["()"])())
        formatter = dict(config["formatters"]["json"])
        self.setFormatter(import_string(formatter.pop("()"))(**formatter))
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(self.format(record)))


@pytest.fixture
def entries() -> Iterator[list[dict[str, Any]]]:
    lines = CapturedLines()
    logger = logging.getLogger("maria_project.requests")
    logger.addHandler(lines)
    yield lines.entries
    logger.removeHandler(lines)


def test_a_request_is_one_line_with_the_id_of_its_answer(
    visitor: Visitor, entries: list[dict[str, Any]]
) -> None:
    entries.clear()

    response = visitor.current()

    (entry,) = entries
    assert (entry["method"], entry["route"], entry["path"], entry["status"]) == (
        "GET", "session-current", "/api/v1/sessions/current/", 200
    )  # fmt: skip
    assert entry["request_id"] == response["X-Request-ID"]
    assert entry["message"] == "GET /api/v1/sessions/current/ 200"
    assert (entry["level"], entry["logger"]) == ("INFO", "maria_project.requests")
    assert entry["milliseconds"] >= 0
    assert entry["time"]


@pytest.mark.both
def test_refusals_failures_and_other_pages_are_lines_too(
    visitor: Visitor, entries: list[dict[str, Any]]
) -> None:
    upload = uploaded(visitor)
    visitor.download(str(upload.pk))
    entries.clear()

    def fail(*_: Any) -> Any:
        raise RuntimeError("the database fell over")

    failing = Visitor(raise_request_exception=False)
    with connection.execute_wrapper(fail):
        failing.start()
    Visitor().current()
    Visitor().get("/nowhere")
    Visitor().get("/", headers={"Host": "evil.example"})
    Visitor().get("/health/live")
    Visitor().get("/static/maria/mark.svg")
    Visitor().options(
        "/api/v1/sessions/",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )

    assert [(e["route"], e["status"]) for e in entries] == [
        ("session-list", 500), ("session-current", 401), ("none", 404), ("none", 400), ("live", 200),
        ("none", 200), ("none", 200),
    ]  # fmt: skip
    assert all(entry.keys() >= FIELDS for entry in entries)
    assert len({entry["request_id"] for entry in entries}) == len(entries)


def test_the_query_is_left_out_and_a_long_path_is_cut(
    db: None, entries: list[dict[str, Any]]
) -> None:
    Visitor().get(f"/{'x' * 5000}?token=canary&code=canary")
    Visitor().get("/line%0Abreak%1B[31m")

    long, hostile = entries
    assert len(long["path"]) == 300
    assert "canary" not in json.dumps(long)
    assert hostile["path"] == "/line\nbreak\x1b[31m"


def test_a_method_is_one_of_the_usual_or_other(entries: list[dict[str, Any]]) -> None:
    Visitor().generic("BREW" * 1000, "/health/live")

    assert entries[0]["method"] == "other"
