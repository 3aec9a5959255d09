"""Log lines: secrets are redacted in every notation, and each line stays one JSON object."""

import json
import logging
from typing import Any
from urllib.parse import urlencode

import hypothesis
import hypothesis.strategies as st

from maria_project.logs import RedactingJsonFormatter
from tests.cases import cases
from tests.helpers import SOAK

SECRET = "canary-5f0c-secret-77aa"
KEY = "msk1_" + "Kx9-_" * 8 + "abc"
TOKEN = "mss1_" + "Tx9-_" * 8 + "abc"
HEADERS = {"Host": "localhost", "Authorization": f"Bearer {SECRET}", "Accept": "*/*"}


def line(message: str, **fields: Any) -> str:
    """Return the log line of a message with extra fields."""
    record = logging.LogRecord("app", logging.INFO, "app.py", 1, message, (), None)
    record.__dict__.update(fields)
    return RedactingJsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s").format(record)


def wrapped(value: Any, times: int) -> str:
    """Return JSON in JSON in JSON."""
    for _ in range(times):
        value = json.dumps(value)
    return str(value)


MESSAGES = {
    "header": f"Authorization: Bearer {SECRET}",
    "header without space": f"authorization:Basic {SECRET}",
    "header with space": f"AUTHORIZATION : {SECRET}",
    "header of several parts": f'Authorization: Digest username="x", uri="/", response="{SECRET}"',
    "header among lines": f"GET / HTTP/1.1\r\nAuthorization: Bearer {SECRET}\r\nHost: x",
    "proxy header": f"Proxy-Authorization: Basic {SECRET}",
    "assignment": f"authorization={SECRET}",
    "curl": f"curl -H 'Authorization: Bearer {SECRET}' https://maria.example",
    "dict": str(HEADERS),
    "pairs": str([*HEADERS.items()]),
    "bytes": str(b"Authorization: Bearer " + SECRET.encode()),
    "environ": str({"HTTP_AUTHORIZATION": f"Token {SECRET}"}),
    "JSON": wrapped(HEADERS, 1),
    "JSON in JSON": wrapped(HEADERS, 2),
    "JSON in JSON in JSON": wrapped(HEADERS, 3),
    "bearer alone": f"sent Bearer {SECRET}",
    "link": f"GET /api/v1/uploads/1/download/?link={SECRET}&x=1",
    "code": f"GET /api/v1/sessions/recover/?x=1&code={SECRET}",
    "code first on a line": f"body:\ncode={SECRET}",
    "form": urlencode({"code": SECRET, "assertion": SECRET, "link": SECRET}),
    "assertion": f"assertion={SECRET}",
    "assertion in JSON": wrapped({"assertion": SECRET, "uuid": "x"}, 1),
    "assertion in JSON in JSON": wrapped({"assertion": SECRET, "uuid": "x"}, 2),
    "assertion in a dict": str({"assertion": SECRET}),
    "assertion in a form's dict": str({"assertion": [SECRET]}),
    "token": f"a {TOKEN} b",
    "key": f"a {KEY} b",
    "key in JSON": wrapped({"key": KEY}, 2),
    "cookie": f"Cookie: a=b; maria_session={SECRET}; c=d",
    "staff's cookie": f"Cookie: __Host-maria_staff={SECRET}",
}
FIELDS: dict[str, dict[str, Any]] = {
    "field": {"authorization": f"Bearer {SECRET}"},
    "headers": {"headers": HEADERS},
    "assertion": {"assertion": SECRET},
    "body": {"body": {"assertion": SECRET, "more": [KEY, TOKEN]}},
    "query": {"query": f"code={SECRET}"},
}


def assert_clean(text: str) -> None:
    json.loads(text)
    assert "\n" not in text
    for secret in (SECRET, KEY.removeprefix("msk1_"), TOKEN.removeprefix("mss1_")):
        assert secret not in text
    assert "[redacted]" in text


@cases("form", MESSAGES)
def test_t04_a_secret_is_redacted_in_a_message(form: str) -> None:
    assert_clean(line(MESSAGES[form]))


@cases("form", FIELDS)
def test_t04_a_secret_is_redacted_in_a_field(form: str) -> None:
    assert_clean(line("something happened", **FIELDS[form]))


@cases("form", MESSAGES)
def test_t04_a_secret_is_redacted_in_a_fields_text(form: str) -> None:
    assert_clean(line("something happened", note=[{"text": MESSAGES[form]}]))


def test_other_text_is_not_redacted() -> None:
    message = (
        "status_code=200 code session_required, linked=yes, the assertion was good, barcode=12 "
        "authorization failed; 019ab2c4-aaaa-4bbb-8ccc-0123456789ab MAR-7F3-K2Q-X9H"
    )
    entry = json.loads(line(message, code="session_required", link="next"))

    assert (entry["message"], entry["code"], entry["link"]) == (message, "session_required", "next")


@hypothesis.given(
    before=st.text(max_size=20),
    name=st.sampled_from(["Authorization: ", "assertion=", "'assertion': '", '"assertion": "', "?link=", "&code=", "maria_session="]),
    value=st.text(max_size=30),
    after=st.text(max_size=20),
    times=st.integers(0, 3),
)  # fmt: skip
@hypothesis.settings(max_examples=5000 if SOAK else 60)
def test_a_line_stays_json_with_any_value(
    before: str, name: str, value: str, after: str, times: int
) -> None:
    text = line(wrapped(before + name + value + after, times))

    assert {"asctime", "levelname", "name", "message"} <= json.loads(text).keys()
    assert text.isascii()
    assert "\n" not in text
