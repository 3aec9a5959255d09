"""`python -m maria_project.web HOST PORT`: the web server of `./run`.

waitress keeps many slow clients in one process: it calls the application only
when a whole request has arrived. Where it is more generous than the standard
about where a request ends, StrictParser is not.
"""

import resource
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import waitress
from django.conf import settings
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

from maria_project.wsgi import application
from uploads_app.api.parsers import FRAMING_BYTES

THREADS = 8
CONNECTIONS = 2000
# Beside connections: the database, logs, files under way, bodies that are spooled.
OTHER_FILES = 1000
# A body a little over the limit still reaches the application, which explains
# the limit in a problem document; waitress itself would answer plain text.
BODY_MARGIN = 4
MAX_HEADERS = 100


class StrictParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """A request parser that refuses what a proxy before it could understand differently.

    waitress itself would join folded lines, take any number of headers, prefer
    Transfer-Encoding where Content-Length says something else, and overlook it
    in HTTP/1.0: then a body could hold a second request (RFC 9112, section 11.2).
    """

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and headers; raise ParsingError, which is answered 400."""
        first, *lines = header_plus.lower().rstrip(b"\r\n").split(b"\r\n")
        if len(lines) > MAX_HEADERS:
            raise ParsingError(f"More than {MAX_HEADERS} headers")
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise ParsingError("Folded header line")
        encodings = [line for line in lines if line.startswith(b"transfer-encoding:")]
        lengths = [line for line in lines if line.startswith(b"content-length:")]
        if encodings and (
            lengths or len(encodings) > 1 or b"," in encodings[0] or not first.endswith(b"http/1.1")
        ):
            raise ParsingError("The end of the body is not clear")
        super().parse_header(header_plus)


def main(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    signal.signal(signal.SIGTERM, _leave)
    _allow_open_files(CONNECTIONS + OTHER_FILES)
    HTTPChannel.parser_class = StrictParser
    waitress.serve(application, host=host, port=port, **options())


def options() -> dict[str, Any]:
    """Return how waitress is set up, but for where it listens."""
    return {
        "threads": THREADS,
        "connection_limit": CONNECTIONS,
        "asyncore_use_poll": True,
        # Files come in larger pieces than 8 KiB: half as many uploads again in a second.
        "recv_bytes": 64 * 1024,
        "max_request_body_size": BODY_MARGIN * settings.UPLOAD_MAX_BYTES + FRAMING_BYTES,
        # The application judges proxy headers itself (TRUSTED_PROXIES).
        "clear_untrusted_proxy_headers": False,
        "ident": None,
        "_quiet": True,
    }


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit of open files, often 1,024, as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
