"""Ports for the servers of tests."""

import os
import random
import socket
from collections.abc import Iterator

# Below the ports that Linux gives to connections and to servers that ask for port 0, and
# above the last one that browsers refuse (10080).
_FIRST = 11_000
_PER_PROCESS = 1_000


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on.

    Nobody else takes it before the server does: it is not one of the ports that the
    kernel gives out, and each process of a test run has ports of its own.
    """
    return next(port for port in _ports if _is_free(port))


def _own_ports() -> Iterator[int]:
    """Yield the ports of this process again and again, from a random one on."""
    # gw0 and on; the process that starts the workers comes first
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1")
    first = _FIRST + _PER_PROCESS * (int(worker.removeprefix("gw")) + 1)
    offset = random.randrange(_PER_PROCESS)
    while True:
        yield first + offset
        offset = (offset + 1) % _PER_PROCESS


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_ports = _own_ports()
