"""Two handlers of Django: one for visitors and services, one with the middleware that staff need."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import reset_queries

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# No view of these addresses knows staff. `/api/v1/audit-logs/` does.
VISITORS = ("/api/v1/sessions/", "/api/v1/uploads/", "/api/v1/service/")


class VisitorHandler(WSGIHandler):
    """A handler with `VISITOR_MIDDLEWARE`: no static files, no sign-in, no token of a form."""

    def load_middleware(self, *arguments: Any, **options: Any) -> None:
        everything, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.VISITOR_MIDDLEWARE
        try:
            super().load_middleware(*arguments, **options)
        finally:
            settings.MIDDLEWARE = everything


class Handlers:
    """The WSGI application: the path of a request decides which handler answers it."""

    def __init__(self) -> None:
        self._visitors, self._others = VisitorHandler(), WSGIHandler()
        if not settings.DEBUG:
            # It forgets the statements that Django keeps while DEBUG is on.
            request_started.disconnect(reset_queries)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        is_of_visitors = environ["PATH_INFO"].startswith(VISITORS)
        body = (self._visitors if is_of_visitors else self._others)(environ, start_response)
        return _unread(body) if environ["REQUEST_METHOD"] == "HEAD" else body


def _unread(body: Iterable[bytes]) -> Iterable[bytes]:
    """Close an answer to HEAD and drop its body.

    A client would read the body as its next answer (RFC 9110, 9.3.2).
    Django leaves this to the web server, and waitress to the application.
    """
    if close := getattr(body, "close", None):
        close()
    return ()
