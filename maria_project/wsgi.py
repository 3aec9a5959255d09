"""The WSGI application (PEP 3333)."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import django

from common.cookies import require_exact_cookies
from maria_project.charsets import require_known_charset

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment


class WholeBody:
    """A request body that raises OSError when it ends before its Content-Length.

    If the client disconnects, servers pass the truncated body to the application, and
    Django's multipart parser would accept a truncated file.
    """

    def __init__(self, stream: "InputStream", length: int) -> None:
        self._stream = stream
        self._missing = length

    def read(self, size: int = -1) -> bytes:
        return self._checked(self._stream.read(size), size)

    def readline(self, size: int = -1) -> bytes:
        return self._checked(self._stream.readline(size), size)

    def _checked(self, data: bytes, size: int) -> bytes:
        self._missing -= len(data)
        if not data and size != 0 and self._missing > 0:
            raise OSError(f"the body ended {self._missing} bytes before its Content-Length")
        return data


def require_whole_body(application: "WSGIApplication") -> "WSGIApplication":
    """Wrap an application so that it never accepts a truncated body."""

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        length: Any = environ.get("CONTENT_LENGTH") or "0"
        if length.isdecimal():
            environ["wsgi.input"] = WholeBody(environ["wsgi.input"], int(length))
        return application(environ, start_response)

    return wrapped


def start() -> "WSGIApplication":
    """Delete leftover spool files and return the application."""
    django.setup(set_prefix=False)
    # These need Django to be set up.
    from maria_project.handlers import Handlers
    from uploads_app.storage import spool

    spool.sweep()
    return Handlers()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
application = require_known_charset(require_exact_cookies(require_whole_body(start())))
