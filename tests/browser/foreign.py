"""Foreign pages: of another site, or of a sibling host that shares cookies."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# Cookies ignore ports: a page of `localhost` is same-site with the product, one of 127.0.0.2 is not.
ANOTHER_SITE = "127.0.0.2"
A_SIBLING = "localhost"


@contextmanager
def foreign_page(host: str, html: str = "<!doctype html><title>Foreign</title>") -> Iterator[str]:
    """Serve this page at every path of an origin of its own, and yield that origin."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    address = "127.0.0.1" if host == "localhost" else host
    with ThreadingHTTPServer((address, 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host}:{server.server_port}"
        server.shutdown()
