"""Lets a port of this machine lead to a host of the cluster."""

import socket
import threading
from contextlib import suppress

_BYTES = 65536


def forward(door: socket.socket, address: tuple[str, int]) -> None:
    """Connect each client of a listening socket to an address, in the background.

    The socket stays in the network in which it was opened; the connection to the address is made
    in that of this thread.
    """
    threading.Thread(target=_accept, args=(door, address), daemon=True).start()


def _accept(door: socket.socket, address: tuple[str, int]) -> None:
    while True:
        client, _ = door.accept()
        try:
            server = socket.create_connection(address, timeout=5)
        except OSError:
            client.close()
            continue
        server.settimeout(None)
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(_BYTES):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
