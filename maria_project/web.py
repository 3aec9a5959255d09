"""`python -m maria_project.web HOST PORT`: the web server of `./run`.

waitress serves many slow clients in one process: it calls the application only
when a whole request has arrived. StrictParser refuses requests whose end is
ambiguous.
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
# For the database, logs, downloads and spooled bodies.
OTHER_FILES = 1000
# A body a little over the limit still reaches the application, which answers a
# problem document. waitress would answer plain text.
BODY_MARGIN = 4
MAX_HEADERS = 100


class StrictParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Refuses requests that a proxy could parse differently.

    waitress joins folded lines, accepts any number of headers, prefers
    Transfer-Encoding over Content-Length, and ignores it in HTTP/1.0. A body
    could then contain a second request (RFC 9112, section 11.2).
    """

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and headers. A ParsingError is answered with 400."""
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
            raise ParsingError("The end of the body is ambiguous")
        super().parse_header(header_plus)


def main(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; finish running requests first."""
    signal.signal(signal.SIGTERM, _exit)
    _allow_open_files(CONNECTIONS + OTHER_FILES)
    HTTPChannel.parser_class = StrictParser
    waitress.serve(application, host=host, port=port, **options())


def options() -> dict[str, Any]:
    """Return the options of waitress, without host and port."""
    return {
        "threads": THREADS,
        "connection_limit": CONNECTIONS,
        "asyncore_use_poll": True,
        # Larger than the default of 8 KiB: 50 % more uploads per second.
        "recv_bytes": 64 * 1024,
        "max_request_body_size": BODY_MARGIN * settings.UPLOAD_MAX_BYTES + FRAMING_BYTES,
        # The application reads the proxy headers itself (TRUSTED_PROXIES).
        "clear_untrusted_proxy_headers": False,
        "ident": None,
        "_quiet": True,
    }


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit of open files, often 1,024, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _exit(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
