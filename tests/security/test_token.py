"""The token: 256 random bits, in clear only in one cookie or one answer."""

import io
import json
import logging
import secrets
import string
from base64 import urlsafe_b64encode
from functools import partial
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from sessions_app.credentials import generate_token, hash_token
from tests.helpers import BearerVisitor, Visitor, database_text, events, started, uploaded
from tests.sessions_app.support import clone, expire, revoke

BEARER = "canary-credential-5f0c"
JUNK = "canary-cookie-77aa"


def test_t02_tokens_are_256_random_bits_and_never_repeat() -> None:
    tokens = {generate_token() for _ in range(10_000)}

    assert len(tokens) == 10_000
    bodies = [token.removeprefix("mss1_") for token in tokens]
    assert {len(token) for token in bodies} == {43}
    assert set("".join(bodies)) == set(string.ascii_letters + string.digits + "-_")


@pytest.mark.both
def test_t02_the_bits_come_from_the_operating_system(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bytes] = []
    original = secrets.token_bytes

    def seen(count: int | None = None) -> bytes:
        drawn.append(original(count))
        return drawn[-1]

    monkeypatch.setattr(secrets, "token_bytes", seen)
    visitor = started()

    encoded = [urlsafe_b64encode(d).decode().rstrip("=") for d in drawn if len(d) == 32]
    assert visitor.token.removeprefix("mss1_") in encoded


def test_t03_no_column_and_no_dump_contains_the_token(visitor: Visitor) -> None:
    uploaded(visitor)
    first = visitor.token
    visitor.reset()
    second = visitor.token
    visitor.current(headers={"X-Session-UUID": "nonsense"})
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)

    for text in (database_text(), dump.getvalue()):
        for token in (first, second):
            assert token not in text
            assert token.removeprefix("mss1_") not in text
            assert hash_token(token) in text  # proves that the search works
            assert len(hash_token(token)) == 64


def broad_flow(make_staff: Any) -> tuple[list[Any], set[str], set[str]]:
    """Send valid and invalid requests; return the answers, all tokens in cookies and all in bodies."""
    visitor = Visitor(raise_request_exception=False)
    answers = [visitor.start(), visitor.start(), visitor.current()]
    tokens = {visitor.token}
    old = clone(visitor)
    stranger = Visitor()
    stranger.cookies["maria_session"] = JUNK
    claimant = Visitor(headers={"Authorization": f"Bearer {BEARER}"})
    both = clone(visitor)
    upload = visitor.upload(name="a.pdf")
    answers += [
        upload,
        visitor.get("/api/v1/uploads/"),
        visitor.get(f"/api/v1/uploads/{upload.json()['id']}/download/"),
        visitor.upload(b"no pdf"),
        visitor.current(headers={"X-Session-UUID": visitor.uuid.upper()}),
        visitor.current(**started().named),
        visitor.get(f"/api/v1/nowhere/?token={visitor.token}&back={visitor.token}"),
        visitor.get("/api/v1/sessions/current/", headers={"Host": "evil.example"}),
        visitor.put("/api/v1/sessions/current/"),
        visitor.post("/api/v1/sessions/validate/", b"{", content_type="application/json"),
        visitor.delete("/api/v1/sessions/current/"),
        stranger.current(),
        stranger.get("/api/v1/uploads/"),
        claimant.current(),
        claimant.get("/api/v1/service/events/"),
        both.current(headers={"Authorization": f"Bearer {BEARER}"}),
    ]
    with connection.execute_wrapper(fail):
        answers += [visitor.current(), visitor.reset(), visitor.upload()]
    expire(visitor)
    answers += [visitor.current(), visitor.reset(reason="expired"), old.current()]
    tokens.add(visitor.token)
    revoke(visitor, make_staff)
    answers += [visitor.current(), visitor.start()]
    tokens.add(visitor.token)
    answers += [visitor.identify(name="Anna")]
    tokens.add(visitor.token)
    answers.append(visitor.end())
    return answers, tokens, bearer_flow(answers)


def bearer_flow(answers: list[Any]) -> set[str]:
    """Do the same with Authorization; return the tokens, each of which was returned once."""
    bearer = BearerVisitor(raise_request_exception=False)
    tokens = set()
    for ask in (
        BearerVisitor.start,
        partial(BearerVisitor.identify, name="Anna"),
        BearerVisitor.reset,
    ):
        answers.append(ask(bearer))
        tokens.add(bearer.token)
    answers += [bearer.start(), bearer.current(**started().named), bearer.upload(b"no pdf")]
    with connection.execute_wrapper(fail):
        answers.append(bearer.current())
    answers.append(bearer.end())
    answers.append(bearer.current())
    return tokens


def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise RuntimeError(f"the database fell over at {params}")


def test_t04_the_token_is_never_logged_recorded_or_reported(
    db: None, log_lines: io.StringIO, make_staff: Any
) -> None:
    answers, tokens, reported_once = broad_flow(make_staff)
    logging.getLogger("app").warning("an app logs maria_session=%s; path=/", JUNK)
    logging.getLogger("app").warning("an app logs Authorization: Bearer %s", BEARER)
    for token in tokens | reported_once:
        logging.getLogger("app").warning("an app logs %s", {"cookie": token})

    lines = log_lines.getvalue().splitlines()
    assert {answer.status_code for answer in answers} >= {200, 201, 204, 400, 401, 403, 404, 405, 415, 500}  # fmt: skip
    assert (len(tokens), len(reported_once)) == (4, 3)
    assert len(lines) > 100
    entries = [json.loads(line) for line in lines]
    assert all(entry["level"] and entry["time"] for entry in entries)
    logged = log_lines.getvalue()
    for token in tokens | reported_once:
        assert hash_token(token) in logged  # the SQL is logged, so a leaked token would be found
    failed = {a["X-Request-ID"] for a in answers if a.status_code == 500}
    assert len(failed) == 4
    assert failed <= {entry["request_id"] for entry in entries}
    assert any("the database fell over" in str(entry.get("exc_info")) for entry in entries)
    reported = [e["request_id"] for e in entries if e["logger"] == "maria_project.requests"]
    assert {answer["X-Request-ID"] for answer in answers} <= set(reported)
    assert len(reported) == len(set(reported))

    result = "".join(
        (b"".join(a) if a.streaming else a.content).decode("latin-1") + str(a.headers)
        for a in answers
    )
    for token in reported_once:
        assert result.count(token) == 1
        result = result.replace(token, "")
    for secret in (
        *(token.removeprefix("mss1_") for token in tokens | reported_once),
        JUNK,
        BEARER,
    ):
        assert secret not in logged
        assert secret not in result
        assert secret not in database_text()
    assert "session.refused" in events()
    cache.clear()
