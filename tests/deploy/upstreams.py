"""Hosts for a proxy: one that answers, and one that dies with the request."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.ports import free_port


class Upstream(ThreadingHTTPServer):
    """A host, and the requests that it got. One that dies closes each connection without an answer."""

    daemon_threads = True

    def __init__(self, *, dies: bool) -> None:
        super().__init__(("127.0.0.1", free_port()), _Handler)
        self.dies = dies
        self.requests: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Upstream

    def _answer(self) -> None:
        self.server.requests.append(self.requestline)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.server.dies:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def upstream(*, dies: bool = False) -> Iterator[Upstream]:
    """Run a host."""
    with Upstream(dies=dies) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
