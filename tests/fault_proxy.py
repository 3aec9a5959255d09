"""A proxy in front of the S3 server that simulates failures of networks, proxies and servers.

It forwards every request unchanged, signature included, and changes the
responses to selected operations.
"""

import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# `clock` is a HEAD of the bucket, `head` one of an object.
OPERATIONS = ("put", "get", "clock", "head", "list", "delete")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})
_BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@dataclass(frozen=True)
class ProxyAnswer:
    """A response of the server."""

    status: int
    headers: dict[str, str]
    content: bytes
    # The headers describe a body that is not sent: the response to HEAD.
    has_content: bool

    def with_content(self, content: bytes) -> "ProxyAnswer":
        """Return the same response with other content and a matching Content-Length."""
        return replace(
            self, content=content, headers={**self.headers, "Content-Length": str(len(content))}
        )

    def to_bytes(self) -> bytes:
        """Return the bytes of the response."""
        lines = [f"HTTP/1.1 {self.status} X"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.content


# How a mode changes the server's response; None: the connection ends without one.
Spoil = Callable[["_Handler", "ProxyAnswer"], ProxyAnswer | None]


def _drop(handler: "_Handler", answer: ProxyAnswer) -> None:
    """The server has executed the request, but no response arrives."""


def _reset(handler: "_Handler", answer: ProxyAnswer) -> None:
    """Half a response, then the connection breaks."""
    data = answer.to_bytes()
    handler.wfile.write(data[: len(data) // 2])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())  # at once, and without a proper end


def _cut(handler: "_Handler", answer: ProxyAnswer) -> None:
    """Less content than the headers say."""
    data = answer.to_bytes()
    handler.wfile.write(data[: len(data) - (len(answer.content) + 1) // 2])


def _shorten(handler: "_Handler", answer: ProxyAnswer) -> ProxyAnswer:
    """Less content than was stored, and headers that match it."""
    if not answer.has_content:
        return answer
    return answer.with_content(answer.content[: len(answer.content) // 2])


def _claim_complete(handler: "_Handler", answer: ProxyAnswer) -> ProxyAnswer:
    """A listing that ends after its first object and says that this is all."""
    if b"<ListBucketResult" not in answer.content:
        return answer
    content = answer.content
    for other in re.findall(rb"<Contents>.*?</Contents>", content, re.DOTALL)[1:]:
        content = content.replace(other, b"")
    return answer.with_content(
        re.sub(rb"<IsTruncated>\w+</IsTruncated>", b"<IsTruncated>false</IsTruncated>", content)
    )


def _wrong_etag(handler: "_Handler", answer: ProxyAnswer) -> ProxyAnswer:
    """A wrong ETag in HEAD and listing."""
    wrong = f'"{32 * "0"}"'
    headers = {n: wrong if n.lower() == "etag" else v for n, v in answer.headers.items()}
    answer = replace(answer, headers=headers)
    if not (answer.has_content and answer.headers.get("Content-Type", "").endswith("xml")):
        return answer
    content = re.sub(rb"<ETag>.*?</ETag>", f"<ETag>{wrong}</ETag>".encode(), answer.content)
    return answer.with_content(content)


def _skew(handler: "_Handler", answer: ProxyAnswer) -> ProxyAnswer:
    """A clock that is wrong."""
    shown = parsedate_to_datetime(answer.headers["Date"])
    return replace(
        answer, headers={**answer.headers, "Date": format_datetime(handler.skewed(shown), True)}
    )


# Modes that forward the request first; `unavailable` and `stall` do not.
_SPOILS: dict[str, Spoil] = {
    "drop": _drop,
    "reset": _reset,
    "cut": _cut,
    "shorten": _shorten,
    "claim complete": _claim_complete,
    "wrong etag": _wrong_etag,
    "skewed date": _skew,
}
MODES = ("unavailable", "stall", *_SPOILS)


@dataclass
class FaultProxy:
    """A running proxy; `failures` counts the responses that it has changed."""

    endpoint: str
    failures: int = 0
    skew: Callable[[datetime], datetime] = field(default=lambda shown: shown)
    _mode: str = ""
    _operations: frozenset[str] = frozenset()
    _left: float = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def failing(self, mode: str, *operations: str, times: float = float("inf")) -> Iterator[None]:
        """Fail that many times, at these operations or at all operations."""
        assert mode in MODES
        self._mode, self._left = mode, times
        self._operations = frozenset(operations or OPERATIONS)
        self._over.clear()
        try:
            yield
        finally:
            self._mode = ""
            self._over.set()

    def take(self, operation: str) -> str:
        """Return the mode in which an operation fails now; empty if it does not."""
        with self._lock:
            if not self._mode or operation not in self._operations or self._left < 1:
                return ""
            self._left -= 1
            self.failures += 1
            return self._mode

    def wait_until_over(self) -> None:
        """Wait until no operation fails."""
        self._over.wait(60)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy
    upstream: str

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.proxy.take(self._operation())
        if mode == "stall":
            self.proxy.wait_until_over()
        answer: ProxyAnswer | None = None
        if mode == "unavailable":
            headers = {"Content-Type": "application/xml", "Content-Length": str(len(_BUSY))}
            answer = ProxyAnswer(503, headers, b"" if self.command == "HEAD" else _BUSY, True)
        elif mode != "stall":
            answer = self._ask(body)
        if mode in _SPOILS and answer is not None:
            answer = _SPOILS[mode](self, answer)
        if answer is None:
            self.close_connection = True
        else:
            self.wfile.write(answer.to_bytes())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

    def skewed(self, shown: datetime) -> datetime:
        return self.proxy.skew(shown)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _operation(self) -> str:
        address = urlsplit(self.path)
        query = parse_qs(address.query, keep_blank_values=True)
        if self.command == "POST" and "delete" in query:
            return "delete"
        if self.command == "GET" and query.keys() & {"list-type", "uploads", "versions"}:
            return "list"
        if self.command == "HEAD" and "/" not in address.path.strip("/"):
            return "clock"
        return "ask" if "versioning" in query else self.command.lower()

    def _ask(self, body: bytes) -> ProxyAnswer:
        connection = HTTPConnection(self.upstream)
        # Unchanged, because the signature covers the host name too.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        headers = {n: v for n, v in response.getheaders() if n.lower() not in _HOP_BY_HOP}
        answer = ProxyAnswer(response.status, headers, content, self.command != "HEAD")
        return answer.with_content(content) if answer.has_content else answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Do not log broken connections of clients: they are intended."""


@contextmanager
def serving(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy to the server at a URL, on a port of its own."""

    class FaultProxyHandler(_Handler):
        """The handler of this proxy."""

    server = _Server(("127.0.0.1", 0), FaultProxyHandler)
    proxy = FaultProxy(f"http://127.0.0.1:{server.server_port}")
    FaultProxyHandler.proxy, FaultProxyHandler.upstream = proxy, urlsplit(upstream).netloc
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            server.shutdown()
        server.server_close()
