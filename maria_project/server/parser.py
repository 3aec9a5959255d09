"""The parser of the web server: strict about where a request ends, and about what it keeps."""

import sys
import time
from typing import Any, Protocol

from waitress.parser import (
    HTTPRequestParser,
    ParsingError,
    TransferEncodingNotImplemented,
)

from maria_project.server.bodies import BODY_BYTES, IN_MEMORY, Terms, client_of, terms_of

MAX_HEADERS = 100
# As nginx has it. The time that Django needs for a path grows faster than its length.
MAX_LINE = 8 * 1024
# Of the lines between chunks. waitress keeps them in memory.
_MAX_CHUNK_LINE = 1024


class Channel(Protocol):
    """What the parser needs of its connection."""

    task_class: Any
    # The connection ends after this answer, and the rest of the request is dropped.
    ends_unread: bool

    def keep(self, data: bytes) -> None:
        """Keep what arrived after a request until that request is answered."""


class StrictParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Refuses requests that a proxy could parse differently.

    waitress joins folded lines, accepts any number of headers, prefers
    Transfer-Encoding over Content-Length, and ignores it in HTTP/1.0. A body
    could then contain a second request (RFC 9112, section 11.2).

    A body that its address does not accept is not received: the request reaches the
    application without it, with the code in `refused`, and the connection ends.
    """

    terms = Terms(0)
    client = ""
    refused = ""
    _counted = 0
    _in_memory = 0

    def __init__(self, adj: Any, channel: Channel) -> None:
        super().__init__(adj)
        self._channel = channel
        self.began = time.monotonic()

    @property
    def missing(self) -> int:
        """How many bytes of the body are to come, if its length is known."""
        return getattr(self.body_rcv, "remain", 0)

    def received(self, data: bytes) -> int:
        """Take the bytes of this request; the channel keeps those after it."""
        consumed: int = (
            super().received(data) if self.body_rcv is None else self._received_body(data)
        )
        if not self.completed:
            return consumed
        # A finished request needs no "100 Continue". waitress would wait for a body.
        self.expect_continue = False
        if self.error:
            self._channel.ends_unread = True
        if not self._channel.ends_unread:
            self._channel.keep(data[consumed:])
        return len(data)

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and headers. A ParsingError is answered with 400."""
        _check_lines(header_plus.lower())
        try:
            super().parse_header(header_plus)
        # ValueError: a length of 5,000 digits, a target like `http://[`.
        except (ValueError, TransferEncodingNotImplemented) as error:
            raise ParsingError("The request line or a header is invalid") from error
        if self.body_rcv is not None:
            self._check_body()

    def close(self) -> None:
        """Free the body."""
        super().close()
        if self.terms.is_counted:
            self._count(-self._counted)
            self._leave_memory()

    def _check_body(self) -> None:
        environ = self._channel.task_class(self._channel, self).get_environment()
        self.terms = terms_of(environ)
        if self.terms.is_counted:
            self.client = client_of(environ)
        if max(self.content_length, 1) > self.terms.most:
            self._withhold(self.terms.code)
        elif self.terms.is_counted and not BODY_BYTES.has_room(self.client, self.content_length):
            self._withhold("server_busy")

    def _received_body(self, data: bytes) -> int:
        if self.terms.is_counted and not self._count(len(data)):
            self._withhold("server_busy")
            return len(data)
        body: Any = self.body_rcv
        if self.terms.is_counted:
            self._choose_memory_or_file(body.getbuf(), len(data))
        consumed: int = super().received(data)
        if self.terms.is_counted:
            self._count(consumed - len(data))
        if len(body) > self.terms.most:
            self._withhold(self.terms.code)
        elif self.chunked and _keeps_too_much(body):
            self._withhold("body_too_large")
        return consumed

    def _count(self, size: int) -> bool:
        if size <= 0:
            BODY_BYTES.remove(self.client, -size)
        elif not BODY_BYTES.add(self.client, size):
            return False
        self._counted += size
        return True

    def _choose_memory_or_file(self, buffer: Any, size: int) -> None:
        """Let the body stay in memory as long as there is room. A file is written and read again."""
        if buffer.overflowed:
            return
        if IN_MEMORY.add(self.client, size):
            self._in_memory += size
            buffer.overflow = sys.maxsize
        else:
            self._leave_memory()
            buffer.overflow = 1

    def _leave_memory(self) -> None:
        IN_MEMORY.remove(self.client, self._in_memory)
        self._in_memory = 0

    def _withhold(self, code: str) -> None:
        """Complete the request without its body."""
        self.close()
        self.body_rcv, self.content_length, self.error = None, 0, None
        # A view that reads the body must find that it is missing, not that it is empty.
        self.headers.setdefault("CONTENT_LENGTH", str(self.terms.most + 1))
        self.headers["CONNECTION"] = "close"
        self.refused, self.completed = code, True
        self._channel.ends_unread = True


def _check_lines(header_plus: bytes) -> None:
    first, *lines = header_plus.rstrip(b"\r\n").split(b"\r\n")
    if len(lines) > MAX_HEADERS:
        raise ParsingError(f"More than {MAX_HEADERS} headers")
    if max(map(len, (first, *lines))) > MAX_LINE:
        raise ParsingError(f"A line has more than {MAX_LINE} bytes")
    if b"\r\n " in header_plus or b"\r\n\t" in header_plus:
        raise ParsingError("Folded header line")
    if b"\r\ntransfer-encoding:" not in header_plus:
        return
    encodings = [line for line in lines if line.startswith(b"transfer-encoding:")]
    has_length = b"\r\ncontent-length:" in header_plus
    if has_length or len(encodings) > 1 or b"," in encodings[0] or not first.endswith(b"http/1.1"):
        raise ParsingError("The end of the body is ambiguous")


def _keeps_too_much(chunks: Any) -> bool:
    return max(len(chunks.control_line), len(chunks.trailer)) > _MAX_CHUNK_LINE
