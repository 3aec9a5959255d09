"""Runs a cluster inside its namespaces until standard input ends; see namespaces.py."""

import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import NoReturn

from tests.cluster import namespaces
from tests.cluster.cluster import ADMINISTRATOR, PORT, Cluster
from tests.cluster.forward import forward

_MAIL_SECONDS = 2


def main(folder: Path, door: socket.socket) -> NoReturn:
    """Start the cluster, print how to reach it, then every mail that it sends."""
    print("Starting ten hosts …", flush=True)
    cluster = Cluster(folder)
    cluster.start()
    forward(door, (cluster.hosts["proxy"].address, PORT))
    print(_greeting(cluster), flush=True)
    shown = 0
    while True:
        for message in cluster.mailbox.messages[shown:]:
            print(_describe(message), flush=True)
            shown += 1
        threading.Event().wait(_MAIL_SECONDS)


def run(main: Callable[[], int], interrupted: int = 130) -> NoReturn:
    """Run a function and end this process with its result, or with `interrupted` if the input ends.

    Threads are not waited for. The kernel ends hosts and programs with this process.
    """
    threading.Thread(target=_end_with_input, args=(interrupted,), daemon=True).start()
    try:
        code = main()
    except SystemExit:  # argparse has printed why
        code = 2
    except BaseException:
        traceback.print_exc()
        code = 1
    _end(code)


def _end_with_input(code: int) -> None:
    os.read(sys.stdin.fileno(), 1)
    _end(code)


def _end(code: int) -> NoReturn:
    sys.stdout.flush()
    os._exit(code)


def _greeting(cluster: Cluster) -> str:
    hosts = [f"  {name:10} {host.address:12} {host.log}" for name, host in cluster.hosts.items()]
    return "\n".join(
        (
            f"\nVisitors:  {cluster.url}/api/docs/  (accept the certificate)",
            f"Admin:     {cluster.url}/admin/  maria / {cluster.staff_password}",
            f"Health:    curl -k {cluster.url}/health/ready",
            f"Database:  {cluster.database.url}",
            f"Store:     {cluster.bucket.url}",
            f"Mail to {ADMINISTRATOR} is printed here.",
            "\nHosts, with their addresses and logs:",
            *hosts,
            "\nA shell in the network of the hosts (Ctrl-C ends everything):",
            f"  {namespaces.shell()}",
        )
    )


def _describe(message: EmailMessage) -> str:
    return f"\nMail to {message['To']}: {message['Subject']}\n{message.get_content()}"


if __name__ == "__main__":
    run(lambda: main(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))), interrupted=0)
