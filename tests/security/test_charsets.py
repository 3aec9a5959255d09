"""A request selects no codec but UTF-8 and US-ASCII, by no header and in no part of a body.

The requests pass through the WSGI application, which Django's test client does not use.
"""

import codecs
import encodings
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from common.context import REFUSED
from maria_project.charsets import require_known_charset
from maria_project.wsgi import application
from tests.cases import cases
from tests.helpers import Visitor, keeping_connection, pdf
from tests.uploads_app.samples import PLENTY, UPLOADS

ACCEPTED = ["utf-8", "UTF-8", "utf8", "US-ASCII", "ascii", '"utf-8"']
CODECS = {module.name for module in pkgutil.iter_modules(encodings.__path__)} - {"ascii"}
OTHERS = sorted(
    CODECS | {"hex", "nope", "", "utf-8-sig", "latin-1", "a\0b", "\u00fc", "utf 8", "x" * 500}
)
# What the product itself decodes with, whatever a client sends.
OWN = {"utf_8", "us_ascii", "raw_unicode_escape", "unicode_escape"}
CONTENT_TYPES = [
    "text/plain; charset={}", 'application/json; CharSet="{}"', "text/plain; charset*=utf-8''{}",
    "multipart/form-data; boundary=b; charset={}", "application/x-www-form-urlencoded;charset={}",
    "text/plain; x*={}''%41", "multipart/form-data; boundary*={}''b", "text/plain; charset*0*={}''a",
]  # fmt: skip
UNREADABLE = ["text/plain; a*=x; a*0=y", "text/plain; a" + ";" * 2000, "a/b; x*0*=é''x"]


class Answer:
    """What the application answered, as it would go to the server."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.headers: dict[str, str] = {}
        with keeping_connection():
            body = application(environ, self._start)
            self.body = b"".join(body)
            body.close()  # type: ignore[attr-defined]

    def _start(self, status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[..., Any]:
        self.status, self.headers = int(status[:3]), dict(headers)
        return list


def ask(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """Send a request; the names of headers are those of WSGI."""
    environ: dict[str, Any] = {"HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(environ)
    path, _, query = path.partition("?")
    environ |= {
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        **headers,
    }
    return Answer(environ)


def passed_on(**environ: str) -> dict[str, Any]:
    """Return the environment that the application gets."""
    require_known_charset(lambda *_: [])(environ, lambda *_: list)
    return environ


@contextmanager
def counted_lookups() -> Iterator[list[str]]:
    """Collect the names of all codecs that are looked up, by Python code or in C."""
    names: list[str] = []

    def search(name: str) -> codecs.CodecInfo | None:
        names.append(name)
        return encodings.search_function(name)

    codecs.unregister(encodings.search_function)  # and forget what was found before
    codecs.register(search)
    try:
        yield names
    finally:
        codecs.unregister(search)
        codecs.register(encodings.search_function)


def uploaded(visitor: Visitor, part: str) -> Answer:
    """Upload a file; `part` are the headers of its part."""
    body = f"--b\r\n{part}\r\n\r\n".encode() + pdf() + b"\r\n--b--\r\n"
    return ask(
        UPLOADS,
        "POST",
        body,
        CONTENT_TYPE="multipart/form-data; boundary=b",
        HTTP_COOKIE="; ".join(f"{name}={crumb.value}" for name, crumb in visitor.cookies.items()),
        HTTP_X_SESSION_UUID=visitor.uuid,
    )


def test_t86_no_header_selects_another_codec(db: None) -> None:
    with counted_lookups() as names:
        for name in OTHERS:
            for template in CONTENT_TYPES:
                environ = passed_on(CONTENT_TYPE=template.format(name))
                assert "CONTENT_TYPE" not in environ, (name, template)
                assert environ[REFUSED] == "charset_not_supported"
            environ = passed_on(HTTP_ACCEPT=f"text/html, application/json; x*={name}''%41")
            assert "HTTP_ACCEPT" not in environ, name
            assert ask("/?a=%41", CONTENT_TYPE=f"text/plain; charset={name}").status == 415, name
    assert set(names) <= OWN, names


def test_t86_no_part_of_a_body_selects_another_codec(visitor: Visitor, settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, **PLENTY}
    with counted_lookups() as names:
        for name in OTHERS:
            disposition = f"Content-Disposition: form-data; name=file; filename*={name}''a.pdf"
            assert uploaded(visitor, disposition).status == 400, name
        odd = "Content-Disposition: form-data; name=file; filename*=x; filename*0=y"
        assert uploaded(visitor, odd).status == 400
    assert set(names) <= OWN, names


def test_t86_utf_8_in_a_part_is_read(visitor: Visitor) -> None:
    part = (
        "Content-Disposition: form-data; name=file; filename*=UTF-8''%C3%A4.pdf\r\n"
        "Content-Type: application/pdf; charset=latin-1"
    )
    assert (answer := uploaded(visitor, part)).status == 201
    assert "ä.pdf".encode() in answer.body


@cases("content_type", [f"application/json; charset={name}" for name in ACCEPTED])
def test_t86_utf_8_and_us_ascii_are_accepted(visitor: Visitor, content_type: str) -> None:
    body = b'{"uuid": "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"}'
    answer = ask("/api/v1/sessions/validate/", "POST", body, CONTENT_TYPE=content_type)
    assert answer.status == 200, answer.body


@cases("content_type", ["text/plain; charset=hex", *UNREADABLE])
@cases("path", ["/", "/health/live", "/metrics", "/admin/login/", "/api/v1/uploads/", "/none"])
def test_t86_the_refusal_is_like_every_answer(
    db: None, settings: Any, path: str, content_type: str
) -> None:
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"https://shop\.example\Z"]
    answer = ask(path, "POST", CONTENT_TYPE=content_type, HTTP_ORIGIN="https://shop.example")
    assert (answer.status, b'"charset_not_supported"' in answer.body) == (415, True)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"].encode() in answer.body
    if path.startswith("/api/"):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize("accept", UNREADABLE)
def test_t86_an_accept_that_cannot_be_parsed_is_ignored(db: None, accept: str) -> None:
    assert ask("/api/v1/sessions/current/", HTTP_ACCEPT=accept).status == 401
