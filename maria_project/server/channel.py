"""A connection of the web server. No client can keep a worker thread by not reading.

waitress lets a thread wait without limit for a client that does not read. Here a
connection has one request at a time, what clients have not read is bounded, and a write
that makes no progress ends.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import WSGITask

from common.context import REFUSED
from maria_project.server.files import PIECE, is_on_disk, send_piece
from maria_project.server.parser import StrictParser

# A write may take so long without a byte of progress.
WRITE_SECONDS = 30
# A request may take so long to arrive.
REQUEST_SECONDS = 15 * 60
# After an answer that did not wait for the body, the rest of the body is dropped for so long.
# If the connection were closed at once, a client that is still sending could lose the answer.
DRAIN_SECONDS = 10
# When the process leaves, a new connection has so long to begin its first request.
NEW_SECONDS = 5
# Answers that clients have not read yet, on all connections.
UNREAD_BYTES = 256 * 1024 * 1024
# Worker threads that may wait for a client. The other answers are cut off.
WAITING_THREADS = 2
# Less than this is never worth closing a connection for.
_FEW_BYTES = 64 * 1024
# What the kernel keeps of an answer beside what it has sent.
_KERNEL_BYTES = 128 * 1024
# As much of a body is received at once: each time costs about 65 calls.
BODY_PIECE = 1024 * 1024

# The headers of an answer that waitress reads or adds.
_OF_SERVER = frozenset({"connection", "content-length", "date", "server", "via"})

_waiting = threading.BoundedSemaphore(WAITING_THREADS)


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """One request. The environ contains the reason if the body was not received."""

    response_headers: list[tuple[str, str]]

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        if self.request.refused:
            environ[REFUSED] = self.request.refused
        return environ

    def write(self, data: bytes) -> None:
        """Write a piece of the body, the first one together with the headers: in one packet."""
        if self.wrote_header:
            super().write(data)
            return
        with self.channel.together():
            super().write(data)

    def build_response_header(self) -> bytes:
        """Return the status line and the headers. waitress only gets those that it reads.

        It takes eight calls for each, to spell its name and to sort it.
        """
        if self.channel.leaves:
            self.request.headers["CONNECTION"] = "close"
        headers: list[tuple[str, str]] = self.response_headers
        self.response_headers = [header for header in headers if _is_of_server(header[0])]
        lines = [f"{name}: {value}\r\n" for name, value in headers if not _is_of_server(name)]
        first, _, rest = super().build_response_header().partition(b"\r\n")
        if self.request.command == "HEAD":
            self.chunked_response = False  # Its last chunk would be a body.
        return b"%b\r\n%b%b" % (first, "".join(lines).encode("latin-1"), rest)

    def set_close_on_finish(self) -> None:
        """Keep the connection after an answer that has no body: waitress takes it for endless."""
        closing = self.request.headers.get("CONNECTION", "").lower()
        if self.has_body or self.version == "1.0" or closing == "close":
            super().set_close_on_finish()


class FairChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection. Worker threads call `write_soon` and `service`, the main thread the rest."""

    task_class = Task
    ends_unread = False
    # Whether the connection ends as soon as it has no request.
    leaves = False
    # Whether the client has sent a request before it had the answer to the one before.
    pipelines = False
    _ahead = b""
    last_sent = 0.0
    _drains_until = 0.0
    _is_given_up = False
    _is_sending = False
    _together: list[bytes] | None = None

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any) -> None:
        self.parser_class = partial(StrictParser, channel=self)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _KERNEL_BYTES)
        super().__init__(server, sock, addr, adj, map=map)

    @property
    def unread(self) -> int:
        """The bytes of an answer that only this process has. A file that is sent is in the store."""
        if self._is_given_up:
            return 0
        outbufs = tuple(self.outbufs)
        files = sum(len(b) for b in outbufs if isinstance(b, ReadOnlyFileBasedBuffer))
        return int(self.total_outbufs_len) - files

    def keep(self, data: bytes) -> None:
        self._ahead = data
        self.pipelines = self.pipelines or bool(data.strip())

    def give_up(self) -> None:
        """Let the main thread close the connection."""
        self._is_given_up = True
        self.server.pull_trigger()

    def leave(self) -> None:
        """Let the connection end when its request is answered, or at once if it has none."""
        self.leaves = True

    def readable(self) -> bool:
        """Return whether to read from the client. The main thread asks at least once a second."""
        if self._is_over():
            self._is_given_up = True
            self.handle_close()
        if not self.connected:
            return False
        if self._drains_until:
            return True
        while self._ahead and super().readable():
            self._continue_with_ahead()
        return bool(super().readable())

    def writable(self) -> bool:
        """Return whether the main thread should send.

        While a worker thread sends, it need not: it would be woken again and again until that
        thread has the interpreter back. What the client does not take is left to the main thread.
        """
        is_idle = self.connected and not self._drains_until and not self._is_sending
        return bool(is_idle and super().writable())

    def handle_read(self) -> None:
        if self._drains_until:
            self.recv(self.adj.recv_bytes)
        else:
            super().handle_read()

    def recv(self, buffer_size: int) -> bytes:
        """Receive more than `buffer_size` at once if it belongs to a body."""
        missing = self.request.missing if self.request else 0
        data: bytes = super().recv(max(buffer_size, min(missing, BODY_PIECE)))
        return data

    def handle_write(self) -> None:
        if self.ends_unread and self.close_when_flushed:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and not self.will_close:
                self._drain()
                return
        super().handle_write()

    def handle_expt(self) -> None:
        """Close a connection with urgent data (TCP). waitress would be woken for it forever."""
        self.handle_close()

    def handle_close(self) -> None:
        super().handle_close()
        self._ahead = b""
        if self.request:
            self.request.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is written inside the block at once, when it ends."""
        pieces: list[bytes] = []
        self._together = pieces
        try:
            yield
        finally:
            self._together = None
        self.write_soon(b"".join(pieces))

    def _flush_some(self, do_close: bool = True) -> bool:
        """Send as much as the client takes, and return whether that was something."""
        self._is_sending = True
        try:
            return self._send_all(do_close)
        finally:
            self._is_sending = False

    def _send_all(self, do_close: bool) -> bool:
        has_sent = False
        while len(self.outbufs[0]) or len(self.outbufs) > 1:
            if not len(self.outbufs[0]):
                self.outbufs.pop(0).close()
            elif self._send_some(self.outbufs[0], do_close):
                has_sent = True
            else:
                break
        return has_sent

    def _send_some(self, buffer: Any, do_close: bool) -> int:
        sent = self._send_piece(buffer, do_close)
        if sent:
            buffer.skip(sent, True)
            self.total_outbufs_len -= sent
            self.last_sent = time.monotonic()
            self.last_activity = time.time()
        return sent

    def _send_piece(self, buffer: Any, do_close: bool) -> int:
        if not is_on_disk(buffer):
            return int(self.send(buffer.get(PIECE), do_close=do_close))
        try:
            return send_piece(self.socket, buffer)
        except ConnectionError:
            if do_close:
                self.handle_close()
            return 0

    def write_soon(self, data: Any) -> int:
        if self._together is not None:
            self._together.append(data)
            return len(data)
        if not self.total_outbufs_len:
            self.last_sent = time.monotonic()
        written: int = super().write_soon(data)
        if self.unread > _FEW_BYTES:
            _make_room(connections(self._map))
        return written

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait for a client that reads a large export slowly, unless it has stopped reading."""
        if self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return
        if not _waiting.acquire(blocking=False):
            raise ClientDisconnected
        try:
            self._wait_for_the_client()
        finally:
            _waiting.release()

    def _wait_for_the_client(self) -> None:
        with self.outbuf_lock:
            while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
                if self._is_stuck():
                    raise ClientDisconnected
                self.server.pull_trigger()
                self.outbuf_lock.wait(1)

    def _continue_with_ahead(self) -> None:
        data, self._ahead = self._ahead, b""
        try:
            self.received(data)
        except Exception:
            self.handle_error()

    def _is_over(self) -> bool:
        now = time.monotonic()
        return (
            self._is_given_up
            or self._is_stuck()
            or (self.leaves and not self._has_begun())
            or (self.request is not None and now > self.request.began + REQUEST_SECONDS)
            or 0 < self._drains_until < now
        )

    def _has_begun(self) -> bool:
        """Return whether a request is on its way, or its answer."""
        # In this order: a worker thread removes its request when the answer is in the buffers.
        return bool(
            self.requests
            or self.close_when_flushed
            or self.total_outbufs_len
            or self.request is not None
            or self._ahead
            or self._drains_until
            or self._is_new()
        )

    def _is_new(self) -> bool:
        is_unused = self.last_activity == self.creation_time
        return bool(is_unused and time.time() < self.creation_time + NEW_SECONDS)

    def _is_stuck(self) -> bool:
        return bool(self.total_outbufs_len and time.monotonic() > self.last_sent + WRITE_SECONDS)

    def _drain(self) -> None:
        self._drains_until = time.monotonic() + DRAIN_SECONDS
        self.socket.shutdown(socket.SHUT_WR)


def connections(sockets: dict[int, Any]) -> list[FairChannel]:
    """Return the connections of all listening sockets: waitress has a server for each of them."""
    # A copy, because the main thread may add one meanwhile.
    return [entry for entry in list(sockets.values()) if isinstance(entry, FairChannel)]


@lru_cache(1000)
def _is_of_server(name: str) -> bool:
    return name.lower() in _OF_SERVER


def _make_room(channels: list[FairChannel]) -> None:
    """Close the connections whose clients have read nothing for longest, down to UNREAD_BYTES."""
    sizes = {channel: channel.unread for channel in channels}
    excess = sum(sizes.values()) - UNREAD_BYTES
    for channel in sorted(channels, key=lambda channel: channel.last_sent):
        if excess <= 0:
            return
        if sizes[channel] > _FEW_BYTES:
            excess -= sizes[channel]
            channel.give_up()
