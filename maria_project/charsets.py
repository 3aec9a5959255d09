"""Which charsets a request may name: UTF-8 and US-ASCII.

Python has about a hundred codecs. Some need seconds for a long text, others cannot decode
text and raise errors. Django uses the one that a client names, in Content-Type before
the first middleware, and in the extended parameters (RFC 2231) of any header.
"""

from collections.abc import Iterable
from email.message import Message
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.http import parse_header_parameters

from common.context import REFUSED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCEPTED = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
# Parsing takes time that grows faster than the text.
_MAX_LENGTH = 1000
# Clients send few different ones, except for the boundaries of forms.
_REMEMBERED = 256


def require_known_charset(application: "WSGIApplication") -> "WSGIApplication":
    """Wrap an application so that no header selects another codec.

    A Content-Type with another charset, or one that cannot be parsed, is removed, and
    `refuse_early` answers 415. Such an Accept is ignored, as RFC 9110 allows.
    """

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        content_type, accept = environ.get("CONTENT_TYPE", ""), environ.get("HTTP_ACCEPT", "")
        if len(content_type) > _MAX_LENGTH or not _has_known_charset(content_type):
            del environ["CONTENT_TYPE"]
            environ[REFUSED] = "charset_not_supported"
        if len(accept) > _MAX_LENGTH or not _is_list_of_types(accept):
            del environ["HTTP_ACCEPT"]
        return application(environ, start_response)

    return wrapped


def header_parameters(line: str) -> tuple[str, dict[str, str]]:
    """Parse a header as Django does; ValueError for another charset and for what Django cannot parse."""
    try:
        if "*" in line and not _extended_charsets(line) <= ACCEPTED:
            raise ValueError("A parameter has a charset that is not supported.")
        return parse_header_parameters(line)
    except (TypeError, LookupError) as error:  # the email package, for unusual parameters
        raise ValueError("The parameters cannot be parsed.") from error


@lru_cache(_REMEMBERED)
def _has_known_charset(content_type: str) -> bool:
    try:
        _, parameters = header_parameters(content_type)
    except ValueError:
        return False
    named = {value.lower() for name, value in parameters.items() if name.lower() == "charset"}
    return named <= ACCEPTED


@lru_cache(_REMEMBERED)
def _is_list_of_types(accept: str) -> bool:
    try:
        for media_type in accept.split(","):
            header_parameters(media_type)
    except ValueError:
        return False
    return True


def _extended_charsets(line: str) -> set[str]:
    """Return the charsets of extended parameters, without decoding them."""
    message: Message[Any, Any] = Message()
    message["content-type"] = line
    values = [value for _, value in message.get_params() or []]
    return {
        str(value[0]).lower()
        for value in values
        if isinstance(value, tuple) and value[0] is not None
    }
