"""Sends files from the kernel's cache to a socket, without a copy in this process (sendfile(2))."""

import io
import os
import socket
from typing import Any

from waitress.buffers import ReadOnlyFileBasedBuffer

# The most that one call sends. The kernel takes less if the client reads slowly.
PIECE = 256 * 1024


def is_on_disk(buffer: Any) -> bool:
    """Return whether an output buffer is a file on a disk, and not an object of S3."""
    return isinstance(buffer, ReadOnlyFileBasedBuffer) and isinstance(
        _opened(buffer), io.BufferedReader
    )


def send_piece(sock: socket.socket, buffer: ReadOnlyFileBasedBuffer) -> int:
    """Send a piece of what is left of a file, and return how many bytes the kernel has taken.

    The caller skips them. Raises OSError if the client is away, or the file has become shorter.
    """
    file = _opened(buffer)
    try:
        sent = os.sendfile(sock.fileno(), file.fileno(), file.tell(), min(PIECE, len(buffer)))
    except BlockingIOError:
        return 0
    if not sent:
        raise OSError(f"{file.name} ended {len(buffer)} bytes early")
    return sent


def _opened(buffer: ReadOnlyFileBasedBuffer) -> Any:
    """Return the file that Python has opened. Django has a file of its own around it."""
    return getattr(buffer.file, "file", buffer.file)
