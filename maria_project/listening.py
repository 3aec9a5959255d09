"""The sockets on which the web processes accept connections."""

import socket

# Connections that wait to be accepted. A burst of clients must not be refused.
BACKLOG = 1024


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host, like both of `localhost`. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = {entry[4]: entry[0] for entry in found}
    return [
        socket.create_server(address, family=family, backlog=BACKLOG)
        for address, family in addresses.items()
    ]
