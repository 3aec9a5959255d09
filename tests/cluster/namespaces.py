"""Runs a module in namespaces of its own: one `unshare` for processes, mounts and networks.

Its processes cannot outlive it: when the first one ends, the kernel ends the others.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

PROGRAMS = ("unshare", "setpriv", "ip", "bridge", "mount", "nginx", "redis-server", "openssl")
INSTALL_HINT = "apt-get install util-linux iproute2 nginx-light redis-server postgresql openssl"
NOT_ALLOWED = (
    "This machine allows no network namespaces, neither to this account nor in a user namespace. "
    "Run this as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)."
)
# How a shell enters the namespaces: the process that is named by this variable is in them.
_ENTRY = "CLUSTER_PROCESS"
_NAMESPACES = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
# The account stays the same, because PostgreSQL refuses to run as root.
_AS_USER = ["--user", "--map-current-user", "--keep-caps"]


def missing_programs() -> list[str]:
    """Return the programs of the cluster that are not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def are_allowed() -> bool:
    """Return whether this account may create the namespaces and a network in them."""
    return _succeeds([*_unshare(), "ip", "link", "add", "probe", "type", "bridge"])


def run(module: str, arguments: Sequence[str], pass_fds: Sequence[int] = ()) -> int:
    """Run a Python module in new namespaces; return its exit code.

    Ctrl-C and SIGTERM close its standard input, which it takes as the order to end. If this
    process is killed, it is killed, too.
    """
    process = subprocess.Popen(
        [
            "setpriv", "--pdeathsig", "KILL", "sh", "-c", f'{_ENTRY}=$$ exec "$@"', "sh",
            *_unshare(), sys.executable, "-m", module, *arguments,
        ],
        stdin=subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
    )  # fmt: skip
    assert process.stdin is not None
    order = process.stdin
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: order.close())
    while True:
        with suppress(InterruptedError):
            return process.wait()


def shell() -> str:
    """Return the command by which this account opens a shell in the namespaces of this process."""
    account = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    command = ["nsenter", "--target", os.environ[_ENTRY], *account, "--net", "--mount"]
    return " ".join(command)


def _unshare() -> list[str]:
    return ["unshare", *([] if os.geteuid() == 0 else _AS_USER), *_NAMESPACES]


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
