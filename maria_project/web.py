"""`python -m maria_project.web HOST PORT`: the web server of `./run`.

waitress serves many slow clients in one process: it calls the application only
when a whole request has arrived.
"""

import resource
import signal
import sys
import tempfile
from types import FrameType
from typing import Any, NoReturn

import waitress
from django.conf import settings
from waitress.server import BaseWSGIServer

from maria_project.wsgi import application

THREADS = 8
CONNECTIONS = 2000
# A connection may have a body or an answer in a file.
FILES_OF_A_CONNECTION = 2
# For the database, logs, and what requests open while they run.
OTHER_FILES = 1000
MIB = 1024 * 1024


def main(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; finish running requests first."""
    from maria_project.server.channel import FairChannel  # needs Django to be set up
    from maria_project.server.dispatcher import FairDispatcher

    signal.signal(signal.SIGTERM, _exit)
    files = _allow_open_files(FILES_OF_A_CONNECTION * CONNECTIONS + OTHER_FILES)
    connections = min(CONNECTIONS, (files - OTHER_FILES) // FILES_OF_A_CONNECTION)
    # waitress has no option for the folder of its temporary files.
    tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)
    BaseWSGIServer.channel_class = FairChannel
    waitress.serve(
        application,
        host=host,
        port=port,
        connection_limit=max(connections, 1),
        _quiet=True,
        _dispatcher=FairDispatcher(THREADS),
        **options(),
    )


def options() -> dict[str, Any]:
    """Return the options of waitress that do not depend on where and how it is started."""
    return {
        "asyncore_use_poll": True,
        # Larger than the default of 8 KiB: 50 % more uploads per second.
        "recv_bytes": 64 * 1024,
        # As nginx has it.
        "max_request_header_size": 32 * 1024,
        # The parser knows the limit of each address.
        "max_request_body_size": sys.maxsize,
        # Above this a body is in a file, if there is no room for it in memory.
        "inbuf_overflow": 64 * 1024,
        # Above this a thread waits for the client. No visitor's file is that large.
        "outbuf_high_watermark": max(16 * MIB, settings.UPLOAD_MAX_BYTES + MIB),
        # The application reads the proxy headers itself (TRUSTED_PROXIES).
        "clear_untrusted_proxy_headers": False,
        "ident": None,
    }


def _allow_open_files(wanted: int) -> int:
    """Raise the soft limit of open files, often 1,024, as far as the hard limit allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted if soft == resource.RLIM_INFINITY else soft


def _exit(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
