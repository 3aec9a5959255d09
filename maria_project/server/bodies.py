"""Which request bodies the web server receives, decided when the headers are in.

A body that nobody will read is not received. What is received for an upload counts
against the part of SPOOL_MAX_BYTES that this web process has, until its request is answered.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.handlers.wsgi import get_path_info
from django.urls import Resolver404, resolve

from common import context
from common.cookies import cookie_values
from uploads_app.api.parsers import FRAMING_BYTES, UploadParser
from uploads_app.storage.spool import SHARES

_ADMIN_PREFIX = "/admin/"
# Of SPOOL_MAX_BYTES, this part may be in memory: 32 MiB, unless set otherwise. The rest is in files.
_PART_IN_MEMORY = 32


class Terms(NamedTuple):
    """What an address accepts as a body: at most so many bytes.

    `code` is the error for a body that is not received. Without one the application answers
    as it does at this address without reading the body: 401, 404, 405 or 413.
    """

    most: int
    code: str = ""
    is_counted: bool = False


_NONE = Terms(0, "body_too_large")
_ANSWERED_UNREAD = Terms(0)


def terms_of(environ: dict[str, Any]) -> Terms:
    """Return what the address and method of a request accept as a body."""
    method, path = environ["REQUEST_METHOD"], get_path_info(environ)
    if method not in ("POST", "PUT", "PATCH"):
        return _NONE
    view = _view_of(path)
    if view is None:
        return _ANSWERED_UNREAD
    if path.startswith(_ADMIN_PREFIX):
        return _document()
    return _terms_of_view(view, method.lower(), environ) if hasattr(view, "cls") else _NONE


def client_of(environ: dict[str, Any]) -> str:
    """Return the identifier under which the bodies of a client are counted."""
    return context.RequestContext(address=context.client_address(environ)).client


@lru_cache(1000)
def _view_of(path: str) -> Any:
    try:
        return resolve(path).func
    except Resolver404:
        return None


def _terms_of_view(view: Any, method: str, environ: dict[str, Any]) -> Terms:
    if method not in (getattr(view, "actions", None) or ()):
        return _ANSWERED_UNREAD
    if UploadParser not in view.initkwargs.get("parser_classes", view.cls.parser_classes):
        return _document()
    if not _carries_a_token(environ):
        return _ANSWERED_UNREAD
    return Terms(settings.UPLOAD_MAX_BYTES + FRAMING_BYTES, is_counted=True)


def _document() -> Terms:
    """Return the terms of a JSON document or a form. It is small enough not to be counted."""
    return Terms(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "body_too_large")


def _carries_a_token(environ: dict[str, Any]) -> bool:
    cookies = cookie_values(environ.get("HTTP_COOKIE", ""), settings.VISITOR_COOKIE_NAME)
    return bool(cookies) or "HTTP_AUTHORIZATION" in environ


class BodyBytes:
    """Counts the bytes of bodies that are being received, in all and for each client."""

    def __init__(self, most: Callable[[], int], shares: int = 1) -> None:
        self._most, self._shares = most, shares
        self._lock = threading.Lock()
        self._all = 0
        self._of_client: Counter[str] = Counter()

    def has_room(self, client: str, size: int) -> bool:
        """Return whether a client may send that many bytes more."""
        most = self._most()
        return self._of_client[client] + size <= most // self._shares and self._all + size <= most

    def add(self, client: str, size: int) -> bool:
        """Count bytes, or return False if there is no room for them."""
        with self._lock:
            if not self.has_room(client, size):
                return False
            self._all += size
            self._of_client[client] += size
            return True

    def remove(self, client: str, size: int) -> None:
        with self._lock:
            self._all -= size
            self._of_client[client] -= size
            if not self._of_client[client]:
                del self._of_client[client]


def own_part() -> int:
    part: int = settings.SPOOL_MAX_BYTES // settings.WEB_PROCESSES
    return part


BODY_BYTES = BodyBytes(own_part, SHARES)
IN_MEMORY = BodyBytes(lambda: own_part() // _PART_IN_MEMORY)
